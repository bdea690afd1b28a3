import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { startService } from '../../infra/lab/service.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { open, sendOn } from '../support/raw-client.ts';

const ownApp = join(import.meta.dirname, '..', 'support', 'own-app.ts');
const request = (path: string) => `GET /${path} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n`;

interface Counts {
  readonly uncaught: number;
  readonly begun: number;
  readonly most: number;
  readonly connections: number;
}

let cluster: Cluster;
const undo: (() => Promise<void>)[] = [];
test.before(async () => {
  // It is about the delivery, whatever else the machine is busy with.
  cluster = await startCluster({ teardown: (step) => undo.push(step) }, ['--stall-timeout', '1m'], []);
});
test.after.always(async () => {
  for (const step of undo.reverse()) await step();
});

/** One server of somebody's own under the head. */
async function start(t: ExecutionContext, options: object = {}) {
  const app = await startService([process.execPath, ownApp, cluster.socket, 'own', JSON.stringify(options)]);
  t.teardown(async () => {
    await app.stop();
    await cluster.untilStatus('it has gone', ({ deliveries }) =>
      deliveries.every(({ state }) => state === 'down'),
    );
  });
  const direct = String(app.ready.direct);
  const counts = async (): Promise<Counts> => {
    const { rest } = await sendOn(await open(direct), request('counts'));
    return JSON.parse(rest.toString()) as Counts;
  };
  return { cluster, app, direct, counts };
}

type App = Awaited<ReturnType<typeof start>>;

/** The sockets of clients that have asked, whose connections come to the application in one batch. */
async function askAtOnce({ cluster: { listen, head } }: App, paths: readonly string[]) {
  await head.freeze();
  const clients = await Promise.all(
    paths.map(async (path) => {
      const socket = await open(listen);
      const reply = sendOn(socket, request(path), { timeoutMs: 60_000 }).then(
        ({ rest }) => rest.toString(),
        (error: Error) => error,
      );
      return { socket, reply };
    }),
  );
  await head.resume();
  return clients;
}

const settled = ({ cluster }: App) =>
  cluster.untilStatus('no credit in use', ({ deliveries }) => deliveries.every(({ inUse }) => inUse === 0));

test.serial(
  'what the application throws for one connection is nobody else\u2019s: the others of its batch are answered',
  async (t) => {
    const app = await start(t);
    const paths = Array.from({ length: 30 }, (_, i) => (i % 10 === 3 ? 'boom' : 'ok'));
    const clients = await askAtOnce(app, paths);
    const answers = await Promise.all(clients.filter((_, i) => paths[i] === 'ok').map(({ reply }) => reply));
    t.deepEqual(answers, Array(27).fill('ok'));
    t.is((await app.counts()).uncaught, 3);
    // As at its own address: the connection stays open, and nobody answers it.
    const booms = clients.filter((_, i) => paths[i] === 'boom');
    t.is((await app.counts()).connections, 3);
    for (const { socket } of booms) socket.destroy();
    await settled(app);
    t.is((await app.counts()).connections, 0);
  },
);

test.serial('a listener of a closed connection that throws changes no account', async (t) => {
  const app = await start(t);
  const clients = await askAtOnce(
    app,
    Array.from({ length: 10 }, (_, i) => (i === 4 ? 'boom-at-close' : 'ok')),
  );
  t.deepEqual(await Promise.all(clients.map(({ reply }) => reply)), Array(10).fill('ok'));
  await settled(app);
  const { uncaught, connections } = await app.counts();
  t.deepEqual({ uncaught, connections }, { uncaught: 1, connections: 0 });
});

test.serial('promises of one connection are settled before the next of its batch begins', async (t) => {
  const app = await start(t);
  const clients = await askAtOnce(app, Array(40).fill('async'));
  const begun = (await Promise.all(clients.map(({ reply }) => reply))).map(Number);
  t.deepEqual(
    begun.sort((a, b) => a - b),
    Array.from({ length: 40 }, (_, i) => i + 1),
  );
});

for (const [what, path, count, most] of [
  ['of 5 ms of work each', 'work', 100, 10],
  ['that cost next to nothing', 'ok', 500, 300],
] as const) {
  test.serial(`a turn of the event loop gets few connections of a batch ${what}`, async (t) => {
    const app = await start(t);
    const clients = await askAtOnce(app, Array(count).fill(path));
    const replies = await Promise.all(clients.map(({ reply }) => reply));
    t.deepEqual([...new Set(replies)], [path === 'ok' ? 'ok' : 'worked']);
    const counts = await app.counts();
    t.is(counts.begun, count);
    t.true(counts.most <= most, `${counts.most} of ${count} in one turn`);
  });
}

for (const [what, path, answer] of [
  ['answers as any other', 'ok', 'ok'],
  ['removes the listeners of close', 'forget-close', 'ok'],
  ['gives the connection to a child process', 'child', 'from the child'],
  ['gives a copy of it to a child process, and destroys its own', 'child-keeps', 'from the child'],
  ['starts a program with it, and destroys its own', 'program', 'from a program'],
  ['destroys it', 'destroy', undefined],
  ['resets it', 'reset', undefined],
] as const) {
  test.serial(`a credit comes back from an application that ${what}`, async (t) => {
    const app = await start(t, { credits: 3, direct: null });
    for (let i = 0; i < 10; i++) {
      const reply = sendOn(await open(cluster.listen), request(path)).then(
        ({ status, rest }) => `${status} ${rest}`,
        () => undefined,
      );
      t.is(await reply, answer && `200 ${answer}`);
      // The client may know before the head does.
      await cluster.untilStatus('a free credit', ({ deliveries }) => deliveries[0]!.inUse < 3);
    }
    await settled(app);
    t.is((await app.counts()).connections, 0);
  });
}
