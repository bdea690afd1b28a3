/** `baton visit --find` where there is nothing to be found. */
import test from 'ava';
import { execa } from 'execa';
import { baton } from '../../../../infra/lab/service.ts';

const visit = (...args: string[]) =>
  execa(baton[0]!, [...baton.slice(1), 'visit', ...args], { reject: false });

test('what never holds ends with 3 and says why; what is no limit for a search is wrong usage', async (t) => {
  const flags = ['--duration', '1', '--find-within', '20s'];
  const never = await visit('http://127.0.0.1:1/', '--find', 'p99<50ms', '--rate', '20', ...flags);
  t.is(never.exitCode, 3);
  t.regex(never.stderr, /never holds: .*refused/);
  for (const [goal, says] of [
    ['p99>50ms', /reads FIGURE<VALUE/],
    ['rate<5', /highest rate/],
    ['p98<5ms', /--find: a limit reads/],
  ] as const) {
    const { exitCode, stderr } = await visit('http://127.0.0.1:1/', '--find', goal);
    t.is(exitCode, 2);
    t.regex(stderr, says);
  }
  const both = await visit('http://127.0.0.1:1/', '--find', 'p99<50ms', '--fail-if', 'failures>0');
  t.regex(both.stderr, /leave one of them out/);
});
