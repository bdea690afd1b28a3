/** Commands that are told to stop: nothing that they have is lost, and nobody waits for ever. */
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import test, { type ExecutionContext } from 'ava';
import { getStatus } from '../../../infra/admin-client.ts';
import { baton, READY_WITHIN_MS } from '../../../infra/lab/service.ts';
import { launch } from '../../../infra/processes/launch.ts';
import { open, sendOn } from '../../support/raw-client.ts';
import { spawnBaton } from '../../support/spawn.ts';
import { until } from '../../support/until.ts';

async function folder(t: ExecutionContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'baton-use-'));
  t.teardown(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** An application that answers what it was asked when there is a file `go`. */
const patient = (go: string): string => `
  import { existsSync } from 'node:fs';
  export default (request, response) => {
    const timer = setInterval(() => {
      if (!existsSync(${JSON.stringify(go)})) return;
      clearInterval(timer);
      response.end('done');
    }, 10);
  };`;

test.serial('whatever signal would end a delivery or a head lets it finish what it has', async (t) => {
  for (const signal of ['SIGHUP', 'SIGQUIT', 'SIGALRM', 'SIGUSR2', 'SIGXCPU'] as const) {
    const directory = await folder(t);
    const socket = join(directory, 'head.sock');
    const head = await spawnBaton(t, 'head', '--listen', '127.0.0.1:0', '--socket', socket, '--workers', '1');
    const go = join(directory, 'go');
    const app = join(directory, 'app.mjs');
    writeFileSync(app, patient(go));
    const delivery = await spawnBaton(t, 'delivery', '--head', socket, '--app', app);
    const clients = await Promise.all(Array.from({ length: 10 }, () => open(String(head.ready.listen))));
    const request = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
    const answers = clients.map((client) => sendOn(client, request, { timeoutMs: 60_000 }));
    const status = () => getStatus(String(head.ready.admin));
    await until('all are taken', status, ({ deliveries }) => deliveries[0]!.taken === clients.length);
    delivery.signal(signal);
    await until('it leaves', status, ({ deliveries }) => deliveries[0]!.state !== 'up');
    // To a head that is the word to start a successor (test/head/take-over.slow.test.ts).
    head.signal(signal === 'SIGUSR2' ? 'SIGIO' : signal);
    // A terminal that closes may say it twice.
    if (signal === 'SIGHUP') delivery.signal(signal);
    writeFileSync(go, '');
    for (const { status, headers } of await Promise.all(answers))
      t.deepEqual([status, headers.connection], [200, 'close'], signal);
    t.deepEqual(await delivery.exited, [0, null], signal);
    t.deepEqual(await head.exited, [0, null], signal);
    t.false(existsSync(socket), signal);
  }
});

test.serial('a head that is told to stop passes on what is queued and exits with 0', async (t) => {
  const directory = await folder(t);
  const socket = join(directory, 'head.sock');
  const head = await spawnBaton(t, 'head', '--listen', '127.0.0.1:0', '--socket', socket, '--workers', '2');
  const delivery = await spawnBaton(t, 'delivery', '--head', socket);
  head.signal('SIGSTOP');
  // The kernel accepts these while the head is stopped: they are in its queues when it is told to stop.
  const clients = await Promise.all(Array.from({ length: 20 }, () => open(String(head.ready.listen))));
  const answers = clients.map((client) => {
    client.write('GET /bytes/10 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    return text(client);
  });
  head.signal('SIGTERM');
  head.signal('SIGCONT');
  for (const answer of await Promise.all(answers)) t.regex(answer, /^HTTP\/1.1 200 OK.*abcdefghij$/s);
  t.deepEqual(await head.exited, [0, null]);
  delivery.signal('SIGTERM');
  t.deepEqual(await delivery.exited, [0, null], 'a delivery without a head stops as well');
});

test.serial(
  'a head that waits for a slow client ends at its stop timeout, and at once when it is told twice',
  async (t) => {
    const directory = await folder(t);
    const start = (name: string, timeout: string) =>
      spawnBaton(
        t,
        'head',
        '--listen',
        '127.0.0.1:0',
        '--socket',
        join(directory, name),
        '--stop-timeout',
        timeout,
      );
    for (const [timeout, signals] of [
      ['300ms', 1],
      ['60s', 2],
    ] as const) {
      const head = await start(`${timeout}.sock`, timeout);
      const client = await open(String(head.ready.listen));
      client.on('error', () => {});
      client.write('GET / HT');
      t.teardown(() => void client.destroy());
      const admin = String(head.ready.admin);
      await until(
        'it is held',
        () => getStatus(admin),
        (status) => status.open === 1,
      );
      const began = performance.now();
      head.signal('SIGTERM');
      if (signals === 2) {
        // The first one has arrived when the paths are given back; two at once would be one.
        await until(
          'it stops',
          () => existsSync(admin),
          (there) => !there,
        );
        head.signal('SIGINT');
      }
      const [code, signal] = await head.exited;
      t.deepEqual([code, signal], signals === 1 ? [0, null] : [null, 'SIGINT']);
      t.true(performance.now() - began < 5000);
    }
  },
);

test.serial('a head that is killed has left what it compiled to the next one', async (t) => {
  const directory = await folder(t);
  const cache = join(directory, 'compiled');
  const args = [
    'head',
    '--listen',
    '127.0.0.1:0',
    '--socket',
    join(directory, 'head.sock'),
    '--workers',
    '1',
  ];
  const head = launch(['env', `NODE_COMPILE_CACHE=${cache}`, ...baton, ...args], { name: 'a head' });
  t.teardown(async () => {
    head.child.kill('SIGKILL');
    await head.ended;
  });
  await head.readyLine(READY_WITHIN_MS);
  // It keeps it right after it has said that it is ready.
  const count = () => (existsSync(cache) ? readdirSync(cache, { recursive: true }).length : 0);
  const before = await until('each of its modules is there', count, (files) => files > 100);
  head.child.kill('SIGKILL');
  await head.ended;
  t.true(count() >= before);
});
