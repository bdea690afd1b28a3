/** What a signal does to the loading of a program. */
import test from 'ava';
import { loadPatiently } from '../../../shared/sys/bpf.ts';
import { SystemError } from '../../../shared/sys/libc.ts';

const EAGAIN = 11;
const EPERM = 1;

test('a program whose loading a signal has interrupted is loaded again, five times at most', (t) => {
  let calls = 0;
  const load = (failures: number, errno: number) => {
    calls = 0;
    return loadPatiently(() => {
      if (++calls <= failures) throw new SystemError('bpf(PROG_LOAD)', errno);
      return 7;
    });
  };
  t.is(load(4, EAGAIN), 7);
  t.is(calls, 5);
  t.throws(() => load(5, EAGAIN), { code: 'EAGAIN' });
  t.is(calls, 5);
  t.throws(() => load(1, EPERM), { code: 'EPERM' });
  t.is(calls, 1);
});
