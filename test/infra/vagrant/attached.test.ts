import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { execa } from 'execa';
import { runToEnd } from '../../../infra/lab/service.ts';

const script = fileURLToPath(new URL('../../../infra/vagrant/guest/attached', import.meta.url));

/** Says that it runs, and on SIGTERM how it ended. */
const waiting = [
  process.execPath,
  '-e',
  'process.on("SIGTERM", () => { console.log("ended"); process.exit(5); }); setInterval(() => {}, 1000); console.log("up");',
];

function start(t: ExecutionContext, ...command: string[]) {
  const child = execa(script, command, { reject: false, stdin: 'pipe' });
  t.teardown(() => child.kill('SIGKILL'));
  return child;
}

test('a command runs to its end, with its own output and exit code', async (t) => {
  const child = start(t, 'sh', '-c', 'echo "$1"; exit 3', 'sh', 'two  words');
  const { exitCode, stdout } = await child;
  t.is(exitCode, 3);
  t.is(stdout, 'two  words');
});

test('when standard input ends it gets SIGTERM, and its last words and exit code still come', async (t) => {
  const child = start(t, ...waiting);
  await once(child.stdout, 'data');
  child.stdin.end();
  const { exitCode, stdout } = await child;
  t.is(exitCode, 5);
  t.is(stdout, 'up\nended');
});

test('it is not the one who reads standard input', async (t) => {
  const child = start(t, 'cat');
  child.stdin.write('for nobody');
  const { exitCode, stdout } = await child;
  t.deepEqual([exitCode, stdout], [0, '']);
});

test('an aborted run ends the standard input of what signals do not reach, and answers what it said', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'baton-test-'));
  t.teardown(() => rm(directory, { recursive: true }));
  const stop = new AbortController();
  const fifo = join(directory, 'up');
  await execa('mkfifo', [fifo]);
  const up = execa('cat', [fifo]);
  const ready = once(createInterface({ input: up.stdout }), 'line');
  const loud = waiting.map((word) =>
    word.replace('console.log("up")', `require("fs").writeFileSync("${fifo}", "up\\n")`),
  );
  const running = runToEnd([script, ...loud], { signal: stop.signal, endedBy: 'input' });
  await ready;
  stop.abort();
  t.is(await running, 'ended\n');
});
