import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { execa } from 'execa';
import { pino } from 'pino';
import { receiveConnections } from '../../delivery/index.ts';
import { createServer } from '../../shared/node-http.ts';
import { startCluster } from '../support/cluster.ts';
import { open, send, sendOn } from '../support/raw-client.ts';
import { until } from '../support/until.ts';

const program = fileURLToPath(new URL('../support/rude-app.ts', import.meta.url));

async function start(t: ExecutionContext, what: string) {
  const cluster = await startCluster(t, ['--stall-timeout', '1m'], []);
  const app = execa(process.execPath, [program, cluster.socket, what], { reject: false, buffer: false });
  t.teardown(async () => {
    app.kill('SIGKILL');
    await app;
  });
  const lines = createInterface({ input: app.stdout });
  await once(lines, 'line');
  return {
    ...cluster,
    app,
    next: async () => JSON.parse(String((await once(lines, 'line'))[0])) as Record<string, number>,
    settled: () => cluster.untilStatus('no credit in use', ({ deliveries }) => deliveries[0]!.inUse === 0),
  };
}

const get = (path: string, connection = 'keep-alive') =>
  `GET /${path} HTTP/1.1\r\nHost: a\r\nConnection: ${connection}\r\n\r\n`;

test('sockets whose destroy throws keep no others, nor themselves, from being closed', async (t) => {
  const { listen, next, settled } = await start(t, 'destroy');
  const sockets = [];
  for (let i = 0; i < 10; i++) {
    const socket = await open(listen);
    const answered = once(socket, 'data');
    socket.write(get(''));
    await answered;
    sockets.push(socket);
  }
  const from = performance.now();
  const ends = sockets.map((socket) => once(socket, 'end').then(() => performance.now() - from));
  const told = next();
  t.is((await send(listen, get('leave', 'close'))).status, 200);
  const times = await Promise.all(ends);
  const { ms, before, connections, uncaught } = await told;
  t.true(before! >= 10);
  t.is(connections, 0);
  t.true(uncaught! >= 5, String(uncaught));
  t.true(ms! >= 1000, `those that did not let themselves be closed had their time: ${ms} ms`);
  // They were idle, and had not to wait for the others.
  const latestGood = Math.max(...times.slice(5));
  const firstBad = Math.min(...times.slice(0, 5));
  t.true(latestGood < firstBad, `${times.map(Math.round).join(' ')}`);
  await settled();
});

for (const [what, rude, served] of [
  ['an emit', 'emit', 5],
  ['a limit on connections', 'limit', 5],
  ['a list of listeners', 'listeners', 10],
  ['an address', 'address', 10],
] as const) {
  test(`a server with ${what} that throws has what it accepts, and no account is wrong`, async (t) => {
    const { listen, next, settled } = await start(t, rude);
    const outcomes: number[] = [];
    for (let i = 0; i < 10; i++) {
      const socket = await open(listen);
      const reply = sendOn(socket, get('', 'close'), { timeoutMs: 1000 });
      outcomes.push(
        await reply.then(
          ({ status }) => status,
          () => 0,
        ),
      );
    }
    t.is(outcomes.filter((status) => status === 200).length, served, outcomes.join(' '));
    await settled();
    // The next one that is served.
    const told = next();
    const leaving = await open(listen);
    leaving.on('error', () => {});
    if (
      (await sendOn(leaving, get('leave', 'close'), { timeoutMs: 1000 }).catch(() => undefined)) === undefined
    )
      await send(listen, get('leave', 'close'));
    const { failed, connections } = await told;
    t.falsy(failed);
    t.is(connections, 0);
  });
}

test('a log that throws at every line keeps nobody from registering, serving, coming back and leaving', async (t) => {
  const cluster = await startCluster(t, [], []);
  let lines = 0;
  const log = pino(
    {},
    {
      write() {
        lines++;
        throw new Error('no space left on device');
      },
    },
  );
  const server = createServer((_request, response) => response.end('hello'));
  const receiver = receiveConnections(server, { name: 'd1', head: cluster.socket, log });
  await receiver.ready;
  t.is((await send(cluster.listen, get('', 'close'))).status, 200);
  await cluster.head.stop();
  await until(
    'the head is gone',
    () => receiver.registered,
    (registered) => !registered,
  );
  await cluster.restartHead();
  await cluster.untilStatus('it is up', ({ deliveries }) => deliveries[0]?.state === 'up');
  t.is((await send(cluster.listen, get('', 'close'))).status, 200);
  await receiver.close();
  t.true(lines >= 3, String(lines));
});
