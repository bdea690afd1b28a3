/** A connection that goes from one head to the next, in either order of the two that say so. */
import test from 'ava';
import { checkTrace } from '../../../infra/trace/index.ts';

const lines = (...steps: readonly string[]): string => steps.map((step, at) => `${at} ${step}\n`).join('');
const faultsOf = (...steps: readonly string[]): readonly string[] =>
  checkTrace(lines(...steps), { running: [1, 2, 3] }).faults;

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

test('the next head may decline what the one before has handed over, and not what that one still has', (t) => {
  const before = [
    '1.0 s0 member 3 9 0 fd',
    '1.1 l1 open 0',
    '3.0 l1 join d',
    accepted,
    '1.1 c7 offer l1 0',
    '3.0 l1 take 0 c7',
    '3.0 ad-0 serve',
  ];
  const handedOver = ['1.1 c7 hearTaken l1 0', '1.1 c7 close'];
  const next = ['2.0 s0 member 3 9 0 fd', '2.1 l2 open 0', '3.0 l2 join e'];
  const given = ['3.0 ad-0 give', '2.1 c7 decline 0', '3.0 ad-0 stay'];
  t.deepEqual(faultsOf(...before, ...handedOver, ...next, ...given), []);
  t.regex(faultsOf(...before, ...handedOver, ...given).join(), /c7: decline .*: it is with 1\.1/);
  t.regex(faultsOf(...before, ...next, ...given).join(), /c7: decline .*: it is with 1\.1/);
});

test('what was passed on may be lost with a successor that was killed before it could say so, and with nobody else', (t) => {
  const steps = [
    '1.0 t5 handOver 2',
    '2.0 t5 takeOver 1',
    accepted,
    '2.0 t5 ready',
    '1.0 t5 frozen',
    '2.0 t5 confirm',
    '1.0 t5 depart',
    ...passed,
  ];
  t.deepEqual(checkTrace(lines(...steps), { running: [1], killed: [2] }).faults, []);
  for (const killed of [[], [3]])
    t.deepEqual(checkTrace(lines('3.1 - begin', ...steps), { running: [1, 2], killed }).faults, [
      'c7: it was passed on, and nobody has got it',
    ]);
});

test('a predecessor that its successor has ended has no last word, and nobody else may end it', (t) => {
  const steps = (who: string) => [
    '1.0 t5 handOver 2',
    '2.0 t5 takeOver 1',
    '2.0 t5 ready',
    '1.0 t5 frozen',
    '2.0 t5 confirm',
    '1.0 t5 depart',
    `${who}.0 t5 endOther 1`,
  ];
  t.deepEqual(checkTrace(lines(...steps('2')), { running: [2] }).faults, []);
  t.regex(
    checkTrace(lines(...steps('2').slice(0, -1)), { running: [2] }).faults.join(),
    /1\.0: has neither ended/,
  );
  t.regex(
    checkTrace(lines(...steps('3')), { running: [2, 3] }).faults.join(),
    /endOther .*: it is none of the two/,
  );
});

test('a predecessor may hear late that its successor was ready, when that has given up since, and freeze for nothing', (t) => {
  const begun = ['1.0 t5 handOver 2', '2.0 t5 takeOver 1'];
  const late = ['2.0 t5 giveUp', '1.0 t5 frozen', '1.0 t5 goOn'];
  t.deepEqual(faultsOf(...begun, '2.0 t5 ready', ...late), []);
  t.regex(faultsOf(...begun, ...late).join(), /t5: frozen .*: the successor's is GAVE_UP/);
  t.regex(
    faultsOf(...begun, '2.0 t5 ready', '2.0 t5 giveUp', '1.0 t5 frozen', '1.0 t5 depart').join(),
    /depart/,
  );
});
