/** Distribution by request while the head is frozen, killed or taken over from, and beside TLS. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { upgradeHead } from '../../infra/admin-client.ts';
import { makeCertificate } from '../../infra/lab/certificate.ts';
import { parseHostPort } from '../../shared/units.ts';
import { startCluster } from '../support/cluster.ts';
import { type Answer, type Kept, keepAlive, keepAliveMany } from '../support/keep-alive.ts';
import { until } from '../support/until.ts';

const app = fileURLToPath(new URL('../support/requests-app.ts', import.meta.url));
const pidOf = ({ body }: Answer): number => (JSON.parse(body) as { pid: number }).pid;
const BY_REQUEST = ['--policy', 'path-hash', '--distribute', 'requests'];

test.serial(
  'while the head is frozen, and when it has been killed, who has a connection goes on with it',
  async (t) => {
    t.timeout(60_000);
    const cluster = await startCluster(t, ['--workers', '1', ...BY_REQUEST], []);
    for (const name of ['d1', 'd2']) await cluster.addDelivery(name, '--app', app);
    const clients = await keepAliveMany(cluster.listen, 8);
    const paths = Array.from({ length: 20 }, (_, i) => `/page/${i}`);
    const owner = new Map<string, number>();
    // By connections that are new: the head chooses for these, whatever deliveries have been told so far.
    const firstAt = async (path: string) => {
      const client = await keepAlive(cluster.listen);
      const pid = pidOf(await client.ask(path));
      client.socket.destroy();
      return pid;
    };
    for (const path of paths) {
      let [once, twice] = [await firstAt(path), await firstAt(path)];
      while (once !== twice) [once, twice] = [twice, await firstAt(path)];
      owner.set(path, once);
    }
    t.is(new Set(owner.values()).size, 2);
    const askAll = () =>
      Promise.all(
        clients.flatMap(async (client, i) => {
          for (const path of paths.slice(i, i + 10)) await client.ask(path);
        }),
      );
    await askAll();
    process.kill(cluster.head.pid, 'SIGSTOP');
    const asking = askAll();
    await Promise.race([asking, new Promise((resolve) => setTimeout(resolve, 300))]);
    process.kill(cluster.head.pid, 'SIGCONT');
    await asking;
    await cluster.head.kill();
    await askAll();
    await cluster.restartHead('--workers', '1', ...BY_REQUEST);
    await cluster.untilStatus('both are there', ({ deliveries }) => deliveries.length === 2);
    await until(
      'each goes where it belongs again',
      async () => {
        const found = [];
        for (const path of paths) found.push(pidOf(await clients[3]!.ask(path)) === owner.get(path));
        return found;
      },
      (found) => found.every(Boolean),
    );
    for (const { unasked, ended, socket } of clients) {
      t.is(unasked + (ended ?? ''), '');
      socket.destroy();
    }
  },
);

test.serial('a head that takes over while requests go loses none of them', async (t) => {
  t.timeout(60_000);
  const cluster = await startCluster(t, ['--workers', '2', ...BY_REQUEST], []);
  for (const name of ['d1', 'd2']) await cluster.addDelivery(name, '--app', app);
  const clients = await keepAliveMany(cluster.listen, 12);
  let goesOn = true;
  let count = 0;
  const asking = clients.map(async (client, i) => {
    for (let n = 0; goesOn; n++) {
      const body = `${i}-${n}`;
      const answer = JSON.parse((await client.ask(`/page/${(i + n) % 9}`, body)).body) as { body: string };
      t.is(answer.body, body);
      count++;
    }
  });
  for (let n = 0; n < 2; n++) {
    const soFar = count;
    const { pid } = await upgradeHead(cluster.admin);
    t.teardown(async () => void process.kill(pid, 'SIGKILL'));
    await until(
      'they go on',
      () => count,
      (now) => now > soFar + 200,
    );
    await cluster.untilStatus('requests go again', ({ givenBack }) => givenBack > 50);
  }
  goesOn = false;
  await Promise.all(asking);
  for (const { unasked, ended, socket } of clients) {
    t.is(unasked + (ended ?? ''), '');
    socket.destroy();
  }
});

test.serial('connections of TLS stay, beside plain ones of the same delivery that go', async (t) => {
  t.timeout(60_000);
  const cluster = await startCluster(t, ['--workers', '1', ...BY_REQUEST], []);
  const { cert, key } = makeCertificate(['a.test']);
  const files = { cert: join(cluster.directory, 'cert.pem'), key: join(cluster.directory, 'key.pem') };
  writeFileSync(files.cert, cert);
  writeFileSync(files.key, key, { mode: 0o600 });
  for (const name of ['d1', 'd2'])
    await cluster.addDelivery(name, '--app', app, '--tls-certificate', files.cert, '--tls-key', files.key);
  const { host, port } = parseHostPort(cluster.listen)!;
  const socket = connect({ host, port, rejectUnauthorized: false });
  t.teardown(async () => void socket.destroy());
  let text = '';
  socket.setEncoding('latin1').on('data', (part: string) => {
    text += part;
  });
  for (let n = 0; n < 10; n++) {
    socket.write(`GET /page/${n} HTTP/1.1\r\nHost: a\r\n\r\n`);
    await until(
      'an answer',
      () => text.split('"pid"').length,
      (count) => count === n + 2,
    );
  }
  t.is(new Set(text.match(/"pid":\d+/g)).size, 1);
  t.is((await cluster.status()).givenBack, 0);
  const client: Kept = await keepAlive(cluster.listen);
  const seen = new Set<number>();
  for (let n = 0; n < 20; n++) seen.add(pidOf(await client.ask(`/page/${n}`)));
  t.is(seen.size, 2);
  client.socket.destroy();
});
