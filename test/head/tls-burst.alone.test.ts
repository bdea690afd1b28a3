/** A crowd that is to be sent elsewhere over TLS, half of it rude: the honest are served, plain clients wait for none of them, and all is given back. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { median } from '../../infra/statistics/median.ts';
import { parseHostPort } from '../../shared/units.ts';
import { countFds, startCluster } from '../support/cluster.ts';
import { clientHello, NAME, openTls, pair, readAll } from '../support/encrypted.ts';
import { open } from '../support/raw-client.ts';
import { until } from '../support/until.ts';

const REQUEST = `GET /a HTTP/1.1\r\nHost: ${NAME}\r\nConnection: close\r\n\r\n`;
const CROWD = 2000;
/** Of handshakes and heads: on a busy machine the last of them wait for long. Who says nothing more leaves with the burst. */
const HEAD_TIMEOUT_S = 60;

const residentKb = (pid: number) =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]);

/** What every second one does once its hello is there; all of them are closed with the burst. */
const rude: readonly ((socket: Socket) => void)[] = [
  // Stalls.
  () => {},
  // Floods the handshake with what is no record.
  (socket) => void socket.write(Buffer.alloc(300_000, 'flood')),
  // Floods it with records of data, which are out of order there.
  (socket) =>
    void socket.write(Buffer.concat(Array(200).fill(Buffer.from('1703030400'.padEnd(2058, '0'), 'hex')))),
  // Leaves, with a reset and without.
  (socket) => void socket.resetAndDestroy(),
  (socket) => void socket.end(),
];

test('a burst of clients over TLS, half of them rude, holds up nobody and leaves nothing behind', async (t) => {
  t.timeout(300_000);
  const folder = mkdtempSync(join(tmpdir(), 'baton-tls-burst-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const files = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') };
  writeFileSync(files.cert, pair.cert);
  writeFileSync(files.key, pair.key, { mode: 0o600 });
  const tls = ['--tls-certificate', files.cert, '--tls-key', files.key];
  const args = ['--mode', 'redirect', '--workers', '1', '--head-timeout', `${HEAD_TIMEOUT_S}s`, ...tls];
  const cluster = await startCluster(t, args, []);
  await cluster.addDelivery('d1', ...tls);
  const { listen, head } = cluster;
  const hello = await clientHello();
  const isCalm = () => cluster.untilStatus('all are over', (status) => status.open + status.lingering === 0);

  const honest = async (): Promise<number> => {
    const began = performance.now();
    const socket = await openTls(listen);
    socket.write(REQUEST);
    const answer = await readAll(socket);
    if (!/^HTTP\/1\.1 307 .*\r\nLocation: https:/s.test(answer))
      throw new Error(`answered ${JSON.stringify(answer)}`);
    return performance.now() - began;
  };
  const plain = async (): Promise<number> => {
    const began = performance.now();
    const socket = await open(listen);
    socket.write(REQUEST);
    const answer = await readAll(socket);
    if (!answer.startsWith('HTTP/1.1 307')) throw new Error(`answered ${JSON.stringify(answer)}`);
    return performance.now() - began;
  };

  async function burst() {
    const left: Socket[] = [];
    const served: Promise<number>[] = [];
    for (let index = 0; index < CROWD; index++) {
      if (index % 2 === 0) {
        served.push(honest());
      } else {
        const socket = connect({ ...parseHostPort(listen)!, noDelay: true, allowHalfOpen: true });
        left.push(socket);
        socket.on('error', () => {});
        socket.write(hello);
        const act = rude[(index >> 1) % rude.length]!;
        // When the server has said its part, or never.
        socket.once('data', () => act(socket));
      }
    }
    // While they are all there.
    const others: number[] = [];
    const over = Promise.all(served);
    let isOver = false;
    void over.finally(() => {
      isOver = true;
    });
    let mostFds = 0;
    while (!isOver || others.length < 20) {
      others.push(await plain());
      mostFds = Math.max(mostFds, await countFds(head.pid));
    }
    const times = await over;
    for (const socket of left) socket.destroy();
    await isCalm();
    return { honest: median(times), plain: median(others), mostFds, residentKb: residentKb(head.pid) };
  }

  await honest();
  await plain();
  await isCalm();
  const fds = await countFds(head.pid);
  const results = [];
  for (let round = 0; round < 3; round++) {
    const result = await burst();
    t.log(JSON.stringify(result));
    results.push(result);
    await until(
      'no fd is left',
      () => countFds(head.pid),
      (count) => count <= fds,
    );
    // Two of each connection at the most: the worker's, and the TLS thread's copy.
    t.true(result.mostFds <= fds + 2 * CROWD + 10, String(result.mostFds));
    // The workers have nothing to do with handshakes.
    t.true(result.plain < result.honest / 2, JSON.stringify(result));
  }
  // What one burst needs is used by the next.
  const [first, , last] = results;
  t.true(last!.residentKb < 1.3 * first!.residentKb + 20_000, JSON.stringify(results));
  const status = await cluster.status();
  const sum = (counts: object) => Object.values(counts).reduce((all: number, one: number) => all + one, 0);
  t.is(
    sum(status.outcomes.redirect!) + sum(status.inspectionFailures),
    status.accepted,
    'each is counted once',
  );
});
