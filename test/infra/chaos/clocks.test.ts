import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import test from 'ava';
import { jump, prepareClocks } from '../../../infra/chaos/clocks.ts';
import { needing } from '../../support/needs.ts';

/** Says both clocks when it is asked, in its main thread and in another. */
const program = `
import { Worker } from 'node:worker_threads';
const read = () => [Date.now(), Number(process.hrtime.bigint() / 1_000_000n)];
const worker = new Worker(\`
  import { parentPort } from 'node:worker_threads';
  parentPort.on('message', () => parentPort.postMessage(Date.now()));\`, { eval: true });
process.stdin.on('data', () => {
  worker.postMessage('');
  worker.once('message', (there) => console.log(JSON.stringify([...read(), there])));
});
process.stdin.on('end', () => process.exit());
`;

needing(['cc'], test)(
  'the time of day of one process jumps there and back, and no other clock',
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'baton-clocks-'));
    const environment = prepareClocks(folder);
    process.env.CHAOS_CLOCKS = environment.CHAOS_CLOCKS;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      env: { ...process.env, ...environment },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    t.teardown(async () => {
      child.stdin.end();
      await once(child, 'exit');
      rmSync(folder, { recursive: true, force: true });
    });
    const ended = new AbortController();
    child.once('exit', () => ended.abort());
    const lines = createInterface({ input: child.stdout });
    const ask = async () => {
      child.stdin.write('x');
      const [line] = (await once(lines, 'line', { signal: ended.signal })) as [string];
      const [day, steady, elsewhere] = JSON.parse(line) as [number, number, number];
      const mine = Number(process.hrtime.bigint() / 1_000_000n);
      return {
        day: Math.round((day - Date.now()) / 1000),
        elsewhere: Math.round((elsewhere - Date.now()) / 1000),
        steady: Math.round((steady - mine) / 1000),
      };
    };
    const near = (found: number, expected: number) => t.true(Math.abs(found - expected) <= 2, `${found}`);
    // Its library has loaded, and has made the file that says its time.
    await ask();
    for (const seconds of [0, 31_536_000, -3600, 0]) {
      jump(child.pid!, seconds);
      const { day, elsewhere, steady } = await ask();
      near(day, seconds);
      near(elsewhere, seconds);
      near(steady, 0);
    }
  },
);
