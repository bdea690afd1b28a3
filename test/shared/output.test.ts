/** A process that writes lines goes on whatever its outputs do. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const program = fileURLToPath(new URL('support/write-lines.ts', import.meta.url));

test('a pipe that nobody reads stops nobody; when it is read again it tells how many lines were dropped', async (t) => {
  const child = spawn(process.execPath, [program, '20000'], { stdio: ['pipe', 'pipe', 'pipe'] });
  t.teardown(() => void child.kill('SIGKILL'));
  // It has written all its lines, and answers while its stderr is full.
  await once(child.stdout, 'data');
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (part: string) => {
    log += part;
    if (log.includes('dropped')) child.stdin.end();
  });
  await once(child, 'close');
  const lines = log
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { n?: number; dropped?: number });
  const told = lines.find(({ dropped }) => dropped !== undefined)!.dropped!;
  t.is(lines.filter(({ n }) => n !== undefined).length + told, 20_000);
  t.true(told > 0);
});

for (const [what, output] of [
  ['a full disk', '/dev/full'],
  ['a file', undefined],
] as const) {
  test(`${what} under the log ends nobody`, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'baton-output-'));
    t.teardown(() => rm(folder, { recursive: true, force: true }));
    const file = output ?? join(folder, 'log');
    const stderr = openSync(file, 'a');
    const answer = execFileSync(process.execPath, [program, '50'], {
      input: '',
      stdio: ['pipe', 'pipe', stderr],
    });
    t.is(answer.toString(), 'written\n');
    if (!output) t.is(readFileSync(file, 'utf8').trimEnd().split('\n').length, 50);
  });
}

test('a pipe whose reader has gone ends nobody', async (t) => {
  const child = spawn(process.execPath, [program, '5000'], { stdio: ['pipe', 'pipe', 'pipe'] });
  child.stderr.destroy();
  child.stdin.end();
  let answer = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    answer += part;
  });
  t.deepEqual(await once(child, 'close'), [0, null]);
  t.is(answer, 'written\n');
});
