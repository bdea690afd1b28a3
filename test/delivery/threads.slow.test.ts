import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { execa } from 'execa';
import { startCluster } from '../support/cluster.ts';
import { open, sendOn } from '../support/raw-client.ts';

const program = fileURLToPath(new URL('../support/threads-app.ts', import.meta.url));

/** Nobody is dropped for silence while this runs. */
const head = ['--stall-timeout', '1m', '--workers', '2'];

for (const [what, how, rounds, code] of [
  ['is terminated', 'terminate', 5, 0],
  ['calls process.exit', 'exit', 5, 0],
  ['throws what nobody catches', 'throw', 5, 0],
  ['runs when the main thread calls process.exit', 'process-exit', 1, 5],
] as const) {
  test(`a thread with a receiver that ${what} ends alone and whole, and the head hears of it at once`, async (t) => {
    const cluster = await startCluster(t, head, []);
    // Each round registers the same name, which has to be free.
    const app = await execa(process.execPath, [program, cluster.socket, how, String(rounds)], {
      reject: false,
      timeout: 60_000,
    });
    t.is(app.exitCode, code, `${app.signal} ${app.stderr}`);
    await cluster.untilStatus('it is down', ({ deliveries }) => deliveries[0]?.state === 'down');
    if (how === 'process-exit') return;
    const counts = app.stdout.split('\n').map((line) => (JSON.parse(line) as { open: number }).open);
    t.is(counts.length, rounds);
    // The first round opens what Node keeps, and some releases open one more later: a thread that leaves a file behind leaves
    // one each round.
    t.true(counts.at(-1)! < counts[0]! + Math.max(1, rounds - 2), counts.join(' '));
  });
}

test('no client waits for a thread that has ended with its connection', async (t) => {
  const cluster = await startCluster(t, head, []);
  const app = execa(process.execPath, [program, cluster.socket, 'boom', '1'], { reject: false });
  t.teardown(async () => {
    app.kill('SIGKILL');
    await app;
  });
  await once(createInterface({ input: app.stdout }), 'line');
  await cluster.head.freeze();
  const sockets = await Promise.all(Array.from({ length: 40 }, () => open(cluster.listen)));
  const clients = sockets.map((socket, i) => {
    const path = i === 3 ? 'boom' : 'ok';
    return sendOn(socket, `GET /${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`, {
      timeoutMs: 20_000,
    }).then(
      ({ status }) => String(status),
      (error: Error) => error.message,
    );
  });
  await cluster.head.resume();
  const outcomes = await Promise.all(clients);
  t.log([...new Set(outcomes)].join(', '));
  t.deepEqual(
    outcomes.filter((outcome) => outcome.startsWith('silent')),
    [],
  );
  const ended = await app;
  t.is(ended.exitCode, 0, `${ended.signal} ${ended.stderr}`);
});
