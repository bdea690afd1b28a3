import test from 'ava';
import { execa } from 'execa';
import { watchReadable } from '../../../shared/sys/readiness.ts';
import { createTimer } from '../../../shared/sys/timer.ts';

test('a timer runs out once, not before its time, and not at all when it is set to never', async (t) => {
  const timer = createTimer();
  let woken = 0;
  let wake = () => {};
  const readiness = watchReadable(timer.fd, () => {
    woken++;
    timer.set(0);
    wake();
  });
  t.teardown(() => {
    readiness.close();
    timer.close();
  });
  for (const micros of [1, 1500, 1_000_001]) {
    const begun = performance.now();
    const runOut = new Promise<void>((resolve) => {
      wake = resolve;
    });
    timer.set(3_600_000_000);
    timer.set(micros);
    await runOut;
    t.true(performance.now() - begun >= micros / 1000, `${micros}`);
  }
  t.is(woken, 3);
});

// Both are modules: the thread has the options of its process.
const thread = `
  import { parentPort, workerData } from 'node:worker_threads';
  const { createTimer } = await import(workerData);
  const timer = createTimer();
  parentPort.postMessage('set');
  for (;;) timer.set(1_000_000);`;
const program = `
  import { once } from 'node:events';
  import { Worker } from 'node:worker_threads';
  const [, thread, workerData] = process.argv;
  for (let round = 0; round < 10; round++) {
    const worker = new Worker(thread, { eval: true, workerData });
    await once(worker, 'message');
    await worker.terminate();
  }`;

test('a thread that is ended while it sets a timer ends alone', async (t) => {
  const timer = new URL('../../../shared/sys/timer.ts', import.meta.url).href;
  const { exitCode, signal, stderr } = await execa(
    process.execPath,
    ['--input-type=module', '--eval', program, thread, timer],
    { reject: false },
  );
  t.is(exitCode, 0, `${signal} ${stderr}`);
});
