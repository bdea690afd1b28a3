import { access } from 'node:fs/promises';
import { dirname } from 'node:path';
import test from 'ava';
import { startLoopbackLab } from '../../../infra/lab/loopback.ts';
import { runToEnd, startService } from '../../../infra/lab/service.ts';
import { visitFrom } from '../../../infra/lab/visit-from.ts';
import { createProgress } from '../../../infra/terminal/progress.ts';

const node = process.execPath;

function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch {
    return true;
  }
}

test('a lab answers visits in the mode it is switched to, and leaves nothing behind', async (t) => {
  const lab = await startLabUntilEnd();
  const visit = async () => {
    const urls = [`http://${lab.head.listen}/bytes/100`];
    const result = await visitFrom(lab.client, { urls, rate: 50, durationMs: 200 });
    return { succeeded: result?.succeeded, redirects: result?.redirects, connections: result?.connections };
  };
  const { pid, socket } = await lab.head.status();
  t.deepEqual(await visit(), { succeeded: 10, redirects: {}, connections: 10 });
  await lab.head.setMode('redirect');
  t.deepEqual(await visit(), { succeeded: 10, redirects: { 307: 10 }, connections: 20 });
  await lab.head.setMode('created');
  t.deepEqual(await visit(), { succeeded: 10, redirects: { 201: 10 }, connections: 20 });
  t.is((await lab.head.status()).accepted, 30);
  await lab.stop();
  t.true([pid, ...lab.deliveries.map((delivery) => delivery.pid)].every(isGone));
  await t.throwsAsync(access(dirname(socket)), { code: 'ENOENT' });

  async function startLabUntilEnd() {
    const started = await startLoopbackLab({ mode: 'handoff', deliveries: 2 });
    t.teardown(started.stop);
    return started;
  }
});

test('a head and a delivery are ended and started again at the same addresses', async (t) => {
  const lab = await startLoopbackLab({ mode: 'redirect', deliveries: 1, local: 1 });
  t.teardown(lab.stop);
  const { head, deliveries } = lab;
  const [d1, l1] = deliveries;
  t.deepEqual([d1!.name, l1!.name], ['d1', 'l1']);
  const before = { listen: head.listen, direct: d1!.direct, pids: [head.pid, d1!.pid] };
  await d1!.kill();
  t.true(isGone(before.pids[1]!));
  await d1!.restart();
  await head.restart('kill');
  t.true(isGone(before.pids[0]!));
  t.deepEqual([head.listen, d1!.direct], [before.listen, before.direct]);
  t.is((await head.status()).pid, head.pid);
  t.is((await head.status()).mode, 'redirect');
});

test('the loopback lab has no cable to change', async (t) => {
  const lab = await startLoopbackLab({ mode: 'handoff', deliveries: 1 });
  t.teardown(lab.stop);
  await t.throwsAsync(lab.client.setLink({ delayMs: 1 }), { code: 'LAB_FAILED', message: /--on netns/ });
});

test('a service that ends before it is ready is an error with its last words', async (t) => {
  const command = [node, '-e', 'console.error("first"); console.error("last words"); process.exitCode = 7'];
  await t.throwsAsync(startService(command), { code: 'LAB_FAILED', message: /exit code 7: last words/ });
});

test('a service that prints something else than JSON is an error, and is gone', async (t) => {
  const command = [node, '-e', 'console.log("hello"); setInterval(() => {}, 1000)'];
  await t.throwsAsync(startService(command), { code: 'LAB_FAILED', message: /hello/ });
});

test('a service is stopped, and a second stop waits for the same end', async (t) => {
  const service = await startService([node, '-e', 'console.log("{}"); setInterval(() => {}, 1000)']);
  t.false(isGone(service.pid));
  await Promise.all([service.stop(), service.stop()]);
  t.true(isGone(service.pid));
});

test('a command that fails is an error, and one that is ended early is not', async (t) => {
  await t.throwsAsync(runToEnd([node, '-e', 'process.exit(3)']), {
    code: 'LAB_FAILED',
    message: /exit code 3/,
  });
  const stop = new AbortController();
  const running = runToEnd([node, '-e', 'setInterval(() => {}, 1000)'], { signal: stop.signal });
  stop.abort();
  t.is(await running, '');
});

test('progress is a line a step without a terminal, and one line that is rewritten in one', async (t) => {
  const show = async (isTTY: boolean) => {
    let shown = '';
    const screen = {
      isTTY,
      columns: 60,
      write: (text: string) => {
        shown += text;
      },
    };
    const progress = createProgress(screen);
    progress.expect(3000);
    await progress.during('one', 1000, async () => {});
    await progress.during('two', 2000, async () => {});
    progress.end();
    return shown;
  };
  t.is(await show(false), 'one, 3 s left\ntwo, 2 s left\n');
  const lines = (await show(true)).split('\r\x1b[K');
  t.is(lines.length, 4);
  t.true(lines[2]!.includes('2 s left  two') && lines[2]!.length < 60);
  t.is(lines[3], '');
});
