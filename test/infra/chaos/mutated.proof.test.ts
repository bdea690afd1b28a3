/**
 * The traces of a run in which the head is replaced, connections are given back and requests are distributed: accepted as they are, and
 * not otherwise.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { placesOf } from '../../../infra/chaos/labs.ts';
import { runChaos } from '../../../infra/chaos/run.ts';
import { makeSchedule, type Schedule } from '../../../infra/chaos/schedule.ts';
import { checkTrace } from '../../../infra/trace/index.ts';

/** Nobody is killed in it, so that nothing may be missing. */
const schedule: Schedule = {
  ...makeSchedule(1, 4000, placesOf('loopback')),
  head: [
    ...['--workers', '2', '--policy', 'round-robin', '--first-delivery-within', '10s'],
    ...['--distribute', 'requests'],
  ],
  delivery: ['--move', 'on'],
  durationMs: 16_000,
  faults: [
    { at: 1000, kind: 'move', target: 'l1', lasts: 1500 },
    { at: 4000, kind: 'upgrade', target: 'head', lasts: 0, workers: 1 },
    { at: 7000, kind: 'stop', target: 'l2', lasts: 300 },
    { at: 10_000, kind: 'upgrade', target: 'head', lasts: 0, workers: 3 },
  ],
};

/** What says nothing that another step would contradict. */
const MAY_BE_MISSING = [
  / (begin|postpone|terminate|decline|leave|drop|vacated)( |$)/,
  // One that its process has ended writes none.
  /\.[1-9]\d* - end$/,
  // A server may leave, and an application close what was to go, before it has come to that.
  / a\S+ (serve|stay)$/,
  // As its client may go; and what is read at once need not have been asked about.
  / a\S+ (watch|leaveToServer|unwatch|read|wait|told|request|response)( |$)/,
];
const MAY_COME_TWICE = [/ - (begin|end)$/, / (postpone|decline|unwatch|read|wait|told|request)( |$)/];
/** Of each step, so many. */
const EACH = 3;

const stepOf = (line: string): string => line.split(' ')[3]!;

test('what a head, its successors and their deliveries did is accepted, and no step may be missing or come twice', async (t) => {
  t.timeout(300_000);
  let lines: string[] = [];
  let killed: readonly number[] = [];
  const { violations, happened } = await runChaos(schedule, {
    ...{ on: 'loopback', rate: 40, signal: AbortSignal.timeout(120_000) },
    onTraces(folder, those) {
      killed = those;
      const texts = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8'));
      lines = texts.join('').split('\n').slice(0, -1);
    },
  });
  t.deepEqual(violations, []);
  t.is(happened.length, schedule.faults.length);
  const faultsOf = (some: readonly string[]) => checkTrace(`${some.join('\n')}\n`, { killed }).faults;
  t.deepEqual(faultsOf(lines), []);
  const steps = Map.groupBy(lines.keys(), (at) => stepOf(lines[at]!));
  const words =
    'handOver frozen depart takeOver ready confirm succeed pass give regain take hearTaken watch read ask request response stay';
  const taken = words.split(' ');
  for (const step of taken) t.true(steps.has(step), `no ${step} in it`);
  for (const all of steps.values()) {
    // The first, the last, and some between them.
    const some = all.filter((_, i) => i % Math.ceil(all.length / EACH) === 0 || i === all.length - 1);
    for (const at of some) {
      const line = lines[at]!;
      if (!MAY_BE_MISSING.some((pattern) => pattern.test(line)))
        t.true(faultsOf(lines.toSpliced(at, 1)).length > 0, `without "${line}"`);
      if (!MAY_COME_TWICE.some((pattern) => pattern.test(line)))
        t.true(faultsOf(lines.toSpliced(at, 0, line)).length > 0, `twice "${line}"`);
    }
  }
});
