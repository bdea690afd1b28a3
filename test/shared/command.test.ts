import test from 'ava';
import { runCommand } from '../../shared/command.ts';

test('what a program prints, and that it went well', async (t) => {
  const ran = await runCommand('sh', ['-c', 'echo "$WORD"; echo careful >&2'], {
    env: { WORD: 'yes' },
    cwd: '/',
  });
  t.deepEqual(ran, { failed: false, missing: false, stdout: 'yes', stderr: 'careful', problem: '' });
});

test('how it failed is said in one line', async (t) => {
  t.like(await runCommand('sh', ['-c', 'echo no >&2; exit 3']), {
    failed: true,
    missing: false,
    stderr: 'no',
    problem: 'sh failed: 3',
  });
  t.like(await runCommand('no-such-program', []), {
    failed: true,
    missing: true,
    problem: 'no-such-program is not installed',
  });
  t.like(await runCommand('sleep', ['60'], { withinMs: 50 }), {
    failed: true,
    problem: 'sleep was ended by SIGTERM',
  });
});
