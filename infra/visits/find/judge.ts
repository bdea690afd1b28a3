/**
 * Whether a rate holds, by what was counted at it. Visits that are late are late together, as they stand in one queue: how far a
 * count can be trusted is what its parts, one after the other, differ by.
 */
import type { VisitResult } from '../result.ts';
import type { Goal, GoalCondition } from './goal.ts';

/** What one run at a rate has shown. */
export interface Reading {
  readonly rate: number;
  readonly durationMs: number;
  readonly visits: number;
  /** For each condition. */
  readonly tests: readonly Test[];
  /** Whoever comes waits longer than those before, all the time: it would be crossed in a longer run. */
  readonly growing: boolean;
  /** What the generator itself was short of. */
  readonly generator: string | undefined;
  /** What those had waited for that waited longest, milliseconds: so long is the queue that the run has left behind. */
  readonly queueMs: number;
  readonly result?: VisitResult;
}

type Test =
  /** How many were on the wrong side in each part, of how many. `over`: it was ended early, as it could not hold any more. */
  | {
      readonly kind: 'counted';
      readonly parts: readonly (readonly [wrong: number, all: number])[];
      readonly over: boolean;
    }
  | { readonly kind: 'figure'; readonly value: number | undefined };

export type Verdict = 'holds' | 'fails' | 'unclear';

const PARTS = 20;
/** Two standard errors. */
const CLEAR = 2;

/** `over`: the condition that ended the run early. */
export function readResult(result: VisitResult, goal: Goal, over: GoalCondition | undefined): Reading {
  const { startMicros, totalMicros } = result.samples!;
  const order = [...startMicros.keys()].sort((one, other) => startMicros[one]! - startMicros[other]!);
  const { warnings } = result.generator;
  return {
    ...readTotals(
      order.map((at) => totalMicros[at]!),
      goal,
      over,
      result,
    ),
    rate: result.offeredRate,
    durationMs: result.durationMs,
    // That too many were under way at once is the server's doing.
    generator: warnings.find((text) => !/going on at once/.test(text)),
    result,
  };
}

/** `totals`: what each visit took, in the order of their beginnings; microseconds, of a failed one minus the time until it failed. */
export function readTotals(
  totals: readonly number[],
  goal: Goal,
  over: GoalCondition | undefined,
  result?: VisitResult,
): Pick<Reading, 'visits' | 'tests' | 'growing' | 'queueMs'> {
  return {
    visits: totals.length,
    tests: goal.conditions.map((condition) => {
      if (condition.allowed === undefined)
        return { kind: 'figure', value: result && condition.figure.read(result) };
      const parts = split(totals, PARTS).map(
        (part) => [part.filter(isWrong(condition)).length, part.length] as const,
      );
      return { kind: 'counted', parts, over: condition === over };
    }),
    growing: isGrowing(totals.filter((total) => total >= 0)),
    queueMs: totals.reduce((most, total) => Math.max(most, Math.abs(total)), 0) / 1000,
  };
}

/** A failed visit has minus the time until it failed. */
const isWrong =
  ({ afterMs }: GoalCondition) =>
  (total: number): boolean =>
    total < 0 || total > afterMs * 1000;

function split<T>(all: readonly T[], count: number): T[][] {
  const size = Math.max(1, Math.ceil(all.length / count));
  return Array.from({ length: Math.ceil(all.length / size) }, (_, part) =>
    all.slice(part * size, (part + 1) * size),
  );
}

/**
 * A queue that holds its own is empty now and then, so that somebody in each quarter of the run waits no longer than the service
 * takes; in one that grows even the luckiest of the last quarter does.
 */
function isGrowing(totals: readonly number[]): boolean {
  if (totals.length < 40) return false;
  const quarters = split(totals, 4);
  const least = quarters.map((quarter) => quarter.reduce((one, other) => Math.min(one, other)));
  const mean = quarters.map((quarter) => quarter.reduce((one, other) => one + other, 0) / quarter.length);
  return least.at(-1)! > 1.5 * Math.min(...least) + 1000 && mean.at(-1)! > 1.2 * mean[1]!;
}

/** Of one rate's runs together. */
export function judge(readings: readonly Reading[], goal: Goal): Verdict {
  if (majority(readings.map(({ growing }) => growing))) return 'fails';
  const verdicts = goal.conditions.map((condition, index) =>
    verdictOf(
      condition,
      readings.map(({ tests }) => tests[index]!),
    ),
  );
  if (verdicts.includes('fails')) return 'fails';
  return verdicts.includes('unclear') ? 'unclear' : 'holds';
}

const majority = (all: readonly boolean[]): boolean => all.filter((one) => one).length * 2 > all.length;

function verdictOf({ allowed, figure }: GoalCondition, tests: readonly Test[]): Verdict {
  if (allowed === undefined) {
    const values = tests.map((test) => (test.kind === 'figure' ? test.value : undefined));
    const fails = values.filter((value) => value === undefined || value >= figure.limit).length;
    if (fails === 0 || fails === values.length) return fails === 0 ? 'holds' : 'fails';
    return values.length < 3 ? 'unclear' : fails * 2 > values.length ? 'fails' : 'holds';
  }
  const counted = tests.flatMap((test) => (test.kind === 'counted' ? [test] : []));
  if (counted.some(({ over }) => over)) return 'fails';
  const { wrong, expected, error } = tail(
    counted.flatMap(({ parts }) => parts),
    allowed,
  );
  if (wrong > expected) return wrong - expected > CLEAR * error ? 'fails' : 'unclear';
  // One that is far from it needs no many visits to tell.
  return expected - wrong > CLEAR * error || wrong <= expected / 4 ? 'holds' : 'unclear';
}

/** How many were on the wrong side, how many may be, and the standard error of that. */
export function tail(parts: readonly (readonly [number, number])[], allowed: number) {
  const wrong = parts.reduce((sum, [each]) => sum + each, 0);
  const all = parts.reduce((sum, [, each]) => sum + each, 0);
  const expected = allowed * all;
  const share = all === 0 ? 0 : wrong / all;
  // What parts of a Poisson count differ by is 1: more where those that are late are late together.
  const spread = parts.reduce((sum, [each, of]) => sum + (each - share * of) ** 2, 0) / Math.max(1, wrong);
  return { wrong, expected, error: Math.sqrt(Math.max(1, spread) * Math.max(expected, 1)) };
}

/** Of what is close to the limit: whether it is beyond it, and also clearly worse than what was seen where far fewer came. */
export function isWorse(readings: readonly Reading[], calm: readonly Reading[], goal: Goal): boolean {
  return goal.conditions.some(({ allowed }, index) => {
    if (allowed === undefined) return false;
    const share = (all: readonly Reading[]) => {
      const parts = all.flatMap(({ tests }) => {
        const test = tests[index]!;
        return test.kind === 'counted' ? test.parts : [];
      });
      const visits = parts.reduce((sum, [, each]) => sum + each, 0);
      return visits === 0 ? 0 : parts.reduce((sum, [wrong]) => sum + wrong, 0) / visits;
    };
    return share(readings) > Math.max(allowed, NOISE * share(calm));
  });
}

/** How much more of what comes by chance there may be from one time to another. */
const NOISE = 1.5;

/** So many on the wrong side are clear of what is allowed, however they come: there is no need to see the rest. */
export const enoughWrong = (visits: number, allowed: number): number =>
  Math.max(3 * allowed * visits, allowed * visits + 6 * Math.sqrt(allowed * visits) + 3);
