/** A connection that goes from one head to the next, in either order of the two that say so. */
import test from 'ava';
import { checkTrace } from '../../../infra/trace/index.ts';

const lines = (...steps: readonly string[]): string => steps.map((step, at) => `${at} ${step}\n`).join('');
const faultsOf = (...steps: readonly string[]): readonly string[] =>
  checkTrace(lines(...steps), { running: [1, 2] }).faults;

const accepted = '1.1 c7 accept 127.0.0.1:1-127.0.0.1:2 0';
const passed = ['1.1 c7 pass', '1.1 c7 close'];
const succeeded = '2.1 c7 succeed open';
const answered = ['2.1 c7 answer answered', '2.1 c7 close'];

test('the successor may have begun with it, or find it later in what it was sent', (t) => {
  t.deepEqual(faultsOf(accepted, succeeded, ...passed, ...answered), []);
  t.deepEqual(faultsOf(accepted, succeeded, ...answered, ...passed), []);
  t.deepEqual(faultsOf(accepted, ...passed, succeeded, ...answered), []);
});

test('nobody may get it, and neither may the one before go on with it, or pass on what it has handed over', (t) => {
  t.deepEqual(faultsOf(accepted, ...passed), ['c7: it was passed on, and nobody has got it']);
  t.regex(faultsOf(accepted, succeeded, '1.1 c7 answer answered').join(), /it is its successor's/);
  t.regex(faultsOf(accepted, '1.1 c7 move 0', ...passed).join(), /the head's is MOVING/);
  t.regex(faultsOf(accepted, '1.1 c7 move 0', succeeded).join(), /it comes of a head where it is MOVING/);
});
