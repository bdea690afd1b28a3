/** What a search for a capacity has found, for programs and for people. */
import { z } from 'zod';
import { formatCounts, formatMicros } from '../../terminal/figures.ts';
import { formatTable } from '../../terminal/table.ts';
import { visitResultSchema } from '../result.ts';
import type { Goal, GoalCondition } from './goal.ts';
import { type Reading, tail } from './judge.ts';
import type { Found, Tried } from './search.ts';

const rate = z.number().min(0);

export const capacitySchema = z.object({
  kind: z.literal('baton-capacity'),
  urls: z.array(z.string()),
  arrivals: z.string(),
  goal: z.string().describe('what a rate has to hold'),
  outcome: z
    .enum(['found', 'never', 'generator', 'most', 'nothing'])
    .describe(
      'found; never: no rate holds it; generator: it holds as far as the generator can ask; most: it holds at the highest rate that is asked for; nothing: too little was seen',
    ),
  rate: rate.describe('visits a second, the highest that holds it; 0 for none'),
  low: rate.describe('the highest that clearly held'),
  high: rate.nullable().describe('the lowest that clearly did not; null for none'),
  complete: z.boolean().describe('false when it was interrupted, or its time was over first'),
  answer: z.string().describe('in a sentence'),
  seconds: z.number(),
  rates: z
    .array(
      z.object({
        rate,
        verdict: z.enum(['holds', 'fails', 'unclear', 'generator']),
        why: z.string().describe('of what does not hold'),
        runs: z.int(),
        visits: z.int(),
        failed: z.int(),
        p50: z.number().nullable().describe('microseconds, of the last run; null when none succeeded'),
        p99: z.number().nullable(),
      }),
    )
    .describe('in the order of their turns'),
  result: visitResultSchema.nullable().describe('of the last run at the highest rate that held'),
});

export type Capacity = z.infer<typeof capacitySchema>;

export function describeFound(found: Found, goal: Goal, ms: number, interrupted: boolean): Capacity {
  const last = found.tried.at(-1)?.readings.at(-1)?.result;
  const held = found.tried.filter(({ verdict, rate: each }) => verdict === 'holds' && each === found.low);
  const result = held.at(-1)?.readings.at(-1)?.result ?? null;
  return {
    kind: 'baton-capacity',
    urls: last?.urls ?? [],
    arrivals: last?.arrivals ?? 'constant',
    goal: goal.text,
    outcome: found.outcome,
    rate: found.rate,
    low: found.low,
    high: Number.isFinite(found.high) ? found.high : null,
    complete: found.inTime && !interrupted,
    answer: answer(found, goal, interrupted),
    seconds: ms / 1000,
    rates: found.tried.map((tried) => {
      const { latency } = tried.readings.at(-1)!.result!;
      return {
        rate: tried.rate,
        verdict: tried.verdict,
        why: why(tried, goal),
        runs: tried.readings.length,
        visits: tried.readings.reduce((sum, { visits }) => sum + visits, 0),
        failed: tried.readings.reduce((sum, { result: one }) => sum + (one?.failed ?? 0), 0),
        p50: latency.count > 0 ? latency.p50 : null,
        p99: latency.count > 0 ? latency.p99 : null,
      };
    }),
    // Every visit of it is of no more use.
    result: result && { ...result, samples: undefined },
  };
}

const perSecond = (each: number) => `${each.toFixed(each < 100 ? 1 : 0)}/s`;

function answer(found: Found, goal: Goal, interrupted: boolean): string {
  const { outcome, low, high, tried, leastRate, inTime } = found;
  const worst = tried
    .filter(({ verdict }) => verdict !== 'holds')
    .sort((one, other) => one.rate - other.rate)[0];
  const because = worst ? `: at ${perSecond(worst.rate)} ${why(worst, goal)}` : '';
  const soon = interrupted
    ? '; it was interrupted'
    : inTime
      ? ''
      : '; its time was over before it could say more (--find-within)';
  switch (outcome) {
    case 'found':
      return `${goal.text} holds up to ${perSecond(found.rate)} (${low > 0 ? `${perSecond(low)} held` : 'no rate held clearly'}${Number.isFinite(high) ? `, ${perSecond(high)} did not` : ''})${because}${soon}`;
    case 'most':
      return `${goal.text} holds at ${perSecond(low)}, the highest rate that was asked for${soon}`;
    case 'generator':
      return `${low > 0 ? `${goal.text} holds at ${perSecond(low)}, and above it` : `even at ${perSecond(high)}`} the generator itself is the limit${because}; more processors for it, and --procs, go further${soon}`;
    case 'never':
      return `${goal.text} never holds${because}; below ${perSecond(leastRate)} too few come in a run to tell, a longer --duration sees them`;
    case 'nothing':
      return `too little was seen to say whether ${goal.text} holds${because}${soon}`;
  }
}

/** Why a rate does not hold, or cannot be told; empty when it does. */
function why({ verdict, readings }: Tried, goal: Goal): string {
  if (verdict === 'holds') return '';
  const last = readings.at(-1)!;
  if (verdict === 'generator') return last.generator ?? '';
  const broken = goal.conditions.flatMap((condition, index) => why1(condition, index, readings));
  if (broken.length > 0) return broken.join(', ');
  return last.growing
    ? 'each waits longer than those before, so that no wait is the longest'
    : 'it is close to the limit';
}

function why1(condition: GoalCondition, index: number, readings: readonly Reading[]): string[] {
  const { figure, name, allowed, afterMs } = condition;
  if (allowed === undefined) {
    const values = readings.flatMap(({ tests }) => {
      const test = tests[index]!;
      return test.kind === 'figure' && test.value !== undefined ? [test.value] : [];
    });
    if (values.length === 0) return ['no visit succeeded'];
    const most = Math.max(...values);
    return most < figure.limit ? [] : [`${name} is ${figure.show(most)}`];
  }
  const parts = readings.flatMap(({ tests }) => {
    const test = tests[index]!;
    return test.kind === 'counted' ? test.parts : [];
  });
  const over = readings.some(({ tests }) => {
    const test = tests[index]!;
    return test.kind === 'counted' && test.over;
  });
  const { wrong, expected } = tail(parts, allowed);
  if (wrong <= expected && !over) return [];
  const all = parts.reduce((sum, [, each]) => sum + each, 0);
  const share = all === 0 ? 100 : (100 * wrong) / all;
  const what = Number.isFinite(afterMs)
    ? `took longer than ${formatMicros(afterMs * 1000)}, or failed`
    : 'failed';
  const failures = formatCounts(readings.at(-1)!.result?.failures ?? {});
  const named = failures === '-' ? '' : ` (${failures})`;
  return [
    `${share.toFixed(share < 10 ? 1 : 0)} % of the visits ${what}${named}${over && all === 0 ? ' or did not end' : ''}`,
  ];
}

const verdicts = {
  holds: 'holds',
  fails: 'does not hold',
  unclear: 'unclear',
  generator: 'generator',
} as const;

export function summariseCapacity({ answer: said, rates, seconds }: Capacity): string {
  const micros = (value: number | null) => (value === null ? '-' : formatMicros(value));
  const rows = rates.map((each) => [
    perSecond(each.rate),
    String(each.visits),
    String(each.failed),
    micros(each.p50),
    micros(each.p99),
    verdicts[each.verdict],
  ]);
  return `${formatTable(['rate', 'visits', 'failed', 'p50', 'p99', ''], rows)}\n\n${said} (${seconds.toFixed(0)} s)`;
}
