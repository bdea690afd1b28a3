/** What deliveries tell a head of connections that another one has moved, and the numbers that it gives from then on. */
import test from 'ava';
import { checkTrace } from '../../../infra/trace/index.ts';

/** Of two heads and a delivery that all go on. */
const [A, B, D] = [1, 2, 3];
const faultsOf = (...steps: readonly string[]): readonly string[] =>
  checkTrace(steps.map((step, at) => `${at} ${step}\n`).join(''), { running: [A, B, D] }).faults;
const moved = (id: number, head = A): readonly string[] => [
  `${head}.0 m${id} adopt`,
  `${D}.0 m${id} prepare`,
  `${head}.0 m${id} forward`,
  `${head}.0 m${id} commit`,
  `${D}.0 m${id} activate`,
];

test('a head hears of what another has moved, and numbers what it moves itself higher', (t) => {
  t.deepEqual(faultsOf(...moved(70), `${B}.0 m70 learn`, ...moved(71, B), `${A}.0 m71 learn`), []);
  t.regex(
    faultsOf(...moved(70), `${B}.0 m70 learn`, ...moved(60, B)).join(),
    /m60: adopt .*: it has heard of m70/,
  );
  // Without having heard of it none is wrong, and nobody follows a number that is far ahead.
  t.deepEqual(faultsOf(...moved(70), ...moved(60, B)), []);
  t.deepEqual(faultsOf(...moved(2 ** 52), `${B}.0 m${2 ** 52} learn`, ...moved(60, B)), []);
});

test('a delivery tells of what lives there, and of nothing before; also when it has ended by then', (t) => {
  const early = moved(70).slice(0, 2);
  t.regex(faultsOf(...early, `${B}.0 m70 learn`).join(), /m70: learn .*does not yet/);
  t.deepEqual(faultsOf(...moved(70), `${D}.0 m70 closed`, `${B}.0 m70 learn`), []);
  // Of one that writes no trace nothing is known.
  t.deepEqual(faultsOf(`${B}.0 m5 learn`), []);
});

test('a number may be used again by another head when the connection that had it is over, and not before', (t) => {
  const over = [`${A}.0 m70 confirmed`, `${D}.0 m70 closed`];
  t.deepEqual(faultsOf(...moved(70), ...over, ...moved(70, B)), []);
  t.regex(faultsOf(...moved(70), ...over, ...moved(70)).join(), /m70: adopt .*the head's is SETTLED/);
  t.regex(faultsOf(...moved(70), over[0]!, ...moved(70, B)).join(), /m70: adopt .*the head's is SETTLED/);
  t.regex(faultsOf(`${A}.0 m70 adopt`, `${B}.0 m70 adopt`).join(), /m70: adopt .*the head's is MOVING/);
});

test('a worker may have taken its number before the main thread heard of a higher one, and not long before', (t) => {
  const faults = (says: string, afterMs: number) =>
    checkTrace(
      [
        `1 ${B}.0 m70 learn`,
        `${1 + afterMs * 1e6} ${says} m60 adopt`,
        `${2 + afterMs * 1e6} ${says} m60 release`,
      ].join('\n'),
      { running: [A, B, D] },
    ).faults;
  t.deepEqual(faults(`${B}.1`, 20), []);
  t.regex(faults(`${B}.1`, 1000).join(), /m60: adopt .*: it has heard of m70/);
  t.regex(faults(`${B}.0`, 20).join(), /m60: adopt .*: it has heard of m70/, 'it has heard so itself');
});
