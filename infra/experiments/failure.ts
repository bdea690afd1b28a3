/**
 * What visitors notice when something breaks while they come steadily: one of two deliveries is killed or is stopped; the head is
 * restarted gently, killed and started again by the lab or by its keeper, stopped for a while, or upgraded. Every way meets every
 * fault, one run each.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Lab } from '../lab/lab.ts';
import { visitFrom } from '../lab/visit-from.ts';
import type { Table } from '../report/chart.ts';
import { summariseRounds } from '../report/summarise.ts';
import { formatCounts, formatMicros } from '../terminal/figures.ts';
import { faults } from './failure/faults.ts';
import { disturbance, type Fault, type Observed, timeChart } from './failure/time.ts';
import { type Cable, cableOf, clientCable } from './kit/cable.ts';
import type { Experiment, ExperimentContext, Findings } from './kit/experiment.ts';
import { allRegistered } from './kit/registered.ts';
import { type Way, waysOf } from './kit/ways.ts';

const ROUND_TRIP_MS = 10;
const RATE = 100;
const TIMEOUT_MS = 3000;
/** Before the fault, while it lasts, and after it. */
const full = { beforeMs: 1500, duringMs: 3000, afterMs: 1500 };
const quick = { beforeMs: 700, duringMs: 1500, afterMs: 800 };
/** Until the generator can begin: its process starts. */
const START_MS = 2000;

export const failure: Experiment = {
  name: 'failure',
  title: 'a delivery killed or frozen, the head restarted, killed, frozen or upgraded, mid-run, every way',
  question: 'What do visitors notice when a delivery or the head breaks, and for how long?',
  seconds: { full: 260, quick: 50 },
  run,
};

async function run(context: ExperimentContext): Promise<Findings> {
  const times = context.quick ? quick : full;
  const runMs = START_MS + times.beforeMs + times.duringMs + times.afterMs + 1000;
  const observed: Observed[] = [];
  const broken: string[] = [];
  /** Every way meets every fault of a lab whose head a keeper runs, or of one whose head nobody does. */
  async function meet(isKept: boolean): Promise<{ lab: Lab; cable: Cable }> {
    const wanted = { mode: 'handoff', deliveries: 2, local: 2, links: clientCable, keeper: isKept } as const;
    const lab = await context.startLab(wanted);
    const cable = await cableOf(lab, [ROUND_TRIP_MS]);
    await cable.set(cable.roundTrips[0]!);
    const runs = faults
      .filter(({ kept = false }) => kept === isKept)
      .flatMap((fault) =>
        waysOf(lab)
          // Without the head in the way its faults are none; a 201 that is followed goes the way of a 307.
          .filter(({ name, mode }) => name !== 'created' && !(fault.ofHead && mode === undefined))
          .filter(({ name }) => !(context.quick && (fault.ofHead || name === 'direct')))
          .map((way) => ({ fault, way })),
      );
    context.progress.expect(runs.length * runMs);
    for (const { fault, way } of runs) {
      if (context.signal.aborted) break;
      try {
        const found = await context.progress.during(`${fault.name}: ${way.name}`, runMs, () =>
          observe(lab, way, fault, times, context.signal),
        );
        if (found) observed.push(found);
      } catch (error) {
        // What was broken did not come back: the lab is of no more use, and what was seen until then stays.
        if (observed.length === 0) throw error;
        broken.push(`${fault.name}, ${way.name}: ${error instanceof Error ? error.message : error}`);
        break;
      }
    }
    return { lab, cable };
  }
  const { lab, cable } = await meet(false);
  // Where a service manager has the processes it keeps the head anyway.
  if (lab.on !== 'vagrant' && !context.quick && !context.signal.aborted) {
    await lab.stop();
    await meet(true);
  }
  return {
    answer: answer(observed),
    parameters: {
      'visits per second': RATE,
      arrivals: 'constant',
      'round trip': `${cable.roundTrips[0]} ms`,
      'time limit of a visit': `${TIMEOUT_MS / 1000} s`,
      'seconds before, during and after the fault': Object.values(times)
        .map((ms) => ms / 1000)
        .join(', '),
      deliveries: 'two for each way; the fault is of one of them',
    },
    x: { title: 'fault', unit: '', labels: faults.map(({ name }) => name) },
    cases: observed.map(({ fault, way, round, x }) => ({
      name: `${way.name}, ${fault.name}`,
      way: way.name,
      x,
      description: way.description,
      rounds: [round],
      summary: summariseRounds([round]),
    })),
    charts: faults
      .map((fault) => timeChart(fault, observed, TIMEOUT_MS))
      .filter(({ lines }) => lines.length > 0),
    tables: [table(observed)],
    notes: [
      'A visit is disturbed when it failed, or took longer than any visit before the fault and 50 ms more. The disturbance lasts from the fault until the last disturbed visit was over.',
      'One run each: these are observations of what happens, not averages.',
      'Visitors who go straight to a delivery, or who are sent to it, are on their own when it breaks; what a handoff saves is what has not been taken yet.',
      'The head is started again at once by the lab, or by its keeper ("kept"). Without one what no head accepts meanwhile is refused by the kernel; with one it waits.',
      ...(cable.note ? [cable.note] : []),
    ],
    warnings: broken.concat(
      observed.flatMap(({ fault, way, round, faultMs }) =>
        [
          ...round.visits.generator.warnings,
          ...(faultMs < times.beforeMs / 2
            ? ['the generator began too late to see what was before the fault']
            : []),
        ].map((text) => `${way.name}, ${fault.name}: ${text}`),
      ),
    ),
  };
}

async function observe(
  lab: Lab,
  way: Way,
  fault: Fault,
  times: typeof full,
  signal: AbortSignal,
): Promise<Observed | undefined> {
  await way.choose();
  const startAt = Date.now() + START_MS;
  const visiting = visitFrom(lab.client, {
    urls: way.hosts.map((host) => `http://${host}/bytes/1000`),
    rate: RATE,
    durationMs: times.beforeMs + times.duringMs + times.afterMs,
    startAt,
    timeoutMs: TIMEOUT_MS,
    samples: true,
    signal,
  });
  // Whatever happens meanwhile, the visits are waited for: nothing may go on in the background.
  const [outcome, visits] = await Promise.all([
    breakAndMend(lab, way, fault, startAt, times, signal).catch((error: unknown) => ({ error })),
    visiting,
  ]);
  if ('error' in outcome) throw outcome.error;
  if (!visits || visits.visits === 0 || signal.aborted) return undefined;
  const began = Date.parse(visits.startedAt);
  return {
    fault,
    way,
    x: faults.indexOf(fault),
    faultMs: outcome.at - began,
    endMs: outcome.fixed - began,
    round: { round: 1, visits, headConnections: 0, headCpuMicrosPerConnection: null },
  };
}

/** Ends the fault also when the run is ended early, so that what follows finds the lab whole. */
async function breakAndMend(
  lab: Lab,
  way: Way,
  fault: Fault,
  startAt: number,
  times: typeof full,
  signal: AbortSignal,
) {
  await pause(startAt + times.beforeMs - Date.now(), signal);
  const at = Date.now();
  await fault.begin(lab, way);
  const restarted = Date.now();
  if (fault.lasts) await pause(times.duringMs - (restarted - at), signal);
  await fault.end(lab, way);
  await allRegistered(lab);
  return { at, fixed: fault.lasts ? Date.now() : restarted };
}

const pause = (ms: number, signal: AbortSignal) =>
  delay(Math.max(0, ms), undefined, { signal }).catch(() => {});

function table(observed: readonly Observed[]): Table {
  return {
    title: 'What visitors noticed',
    lead: 'Of visits that were begun during the whole run.',
    columns: ['fault', 'way', 'visits', 'failed', 'slowed down', 'longest', 'disturbed for'],
    rows: observed.map((each) => {
      const { visits } = each.round;
      const { slow, longestMicros, lastedMs } = disturbance(each);
      return [
        each.fault.name,
        each.way.name,
        String(visits.visits),
        formatCounts(visits.failures),
        String(slow),
        formatMicros(longestMicros),
        lastedMs === 0 ? 'not at all' : `${(lastedMs / 1000).toFixed(2)} s`,
      ];
    }),
  };
}

function answer(observed: readonly Observed[]): string {
  if (observed.length === 0) return 'Too little was measured to answer.';
  const { visits } = observed[0]!.round.visits;
  const said = faults.flatMap((fault) => {
    const all = observed.filter((each) => each.fault === fault);
    const counts = all.map((one) => `${one.round.visits.failed} by ${one.way.name}`);
    return counts.length === 0 ? [] : [`${fault.name}: ${counts.join(', ')}`];
  });
  return `Of ${visits} visits in each run these failed. ${said.join('. ')}.`.replaceAll(
    /(?<=\. )[a-z]/g,
    (first) => first.toUpperCase(),
  );
}
