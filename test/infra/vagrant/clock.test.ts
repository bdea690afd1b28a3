/** A machine's clock is set to the one here: by the script that guests have, with a clock of its own that only `date` knows. */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { startDialogue } from '../../../infra/lab/dialogue.ts';
import { alignClock } from '../../../infra/lab/vagrant/clock.ts';

const script = fileURLToPath(new URL('../../../infra/vagrant/guest/clock', import.meta.url));

/** A guest whose clock is ahead by so many seconds; reading it takes `slow` seconds. Its `date` sets that alone. */
function guest(t: ExecutionContext, aheadSeconds: number, slow = 0) {
  const place = mkdtempSync(join(tmpdir(), 'baton-test-'));
  t.teardown(() => rmSync(place, { recursive: true }));
  const ahead = join(place, 'ahead');
  writeFileSync(ahead, String(aheadSeconds));
  const fake = `#!/bin/sh
sleep ${slow}
now=$(/bin/date +%s.%N)
case $1 in
--set=@*) awk "BEGIN { printf \\"%.9f\\", \${1#--set=@} - $now }" >${ahead} ;;
+%s.%N) awk "BEGIN { printf \\"%.9f\\\\n\\", $now + $(cat ${ahead}) }" ;;
*) exit 1 ;;
esac
`;
  writeFileSync(join(place, 'date'), fake);
  chmodSync(join(place, 'date'), 0o755);
  return {
    converse: (onLine: (line: string) => void) =>
      startDialogue(['env', `PATH=${place}:/usr/bin:/bin`, script], onLine),
    ahead: () => Number(readFileSync(ahead, 'utf8')),
  };
}

for (const seconds of [3600, -20]) {
  test(`a clock that is ${seconds} s off is set`, async (t) => {
    const { converse, ahead } = guest(t, seconds);
    const found = await alignClock('d1', converse);
    t.true(Math.abs(found / 1000 - seconds) < 2, String(found));
    t.true(Math.abs(ahead()) < 2, String(ahead()));
  });
}

test('one that is right is left alone, also where its answers take long', async (t) => {
  const { converse, ahead } = guest(t, 0, 0.2);
  await alignClock('d1', converse);
  t.is(ahead(), 0);
});

test('a machine that has no clock to read, or says nonsense, is told by its name', async (t) => {
  const failing = (command: string) =>
    alignClock('d1', (onLine) => startDialogue(['sh', '-c', command], onLine));
  await t.throwsAsync(failing('exit 3'), { code: 'LAB_FAILED', message: /the clock of d1 cannot be read/ });
  await t.throwsAsync(failing('read line; echo noon; read line'), {
    code: 'LAB_FAILED',
    message: /the clock of d1 says noon/,
  });
});
