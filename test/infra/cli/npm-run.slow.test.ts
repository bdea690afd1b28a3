/** What the README tells people to type: a service that npm started ends with the npm that they stop. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { until } from '../../support/until.ts';

const checkout = fileURLToPath(new URL('../../..', import.meta.url));

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`a head that was started with npm run ends when npm gets ${signal}`, async (t) => {
    const directory = await mkdtemp(join(tmpdir(), 'baton-npm-'));
    t.teardown(() => rm(directory, { recursive: true, force: true }));
    const socket = join(directory, 'head.sock');
    const args = ['run', '-s', 'baton', '--', 'head', '--listen', '127.0.0.1:0', '--socket', socket];
    const npm = spawn('npm', args, { cwd: checkout, stdio: ['ignore', 'pipe', 'ignore'] });
    const ended = once(npm, 'exit');
    const [line] = (await once(createInterface({ input: npm.stdout }), 'line')) as [string];
    const { pid } = JSON.parse(line) as { pid: number };
    t.teardown(() => {
      if (isAlive(pid)) process.kill(pid, 'SIGKILL');
    });
    npm.kill(signal);
    await ended;
    await until(
      'the head has ended as well',
      () => isAlive(pid),
      (alive) => !alive,
    );
    t.pass();
  });
}
