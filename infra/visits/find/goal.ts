/** What a rate has to hold: `p99<50ms`, `failed<1%`, ... */
import { BatonError } from '../../../shared/errors.ts';
import { type Condition, parseCondition } from '../threshold.ts';

export interface Goal {
  readonly text: string;
  readonly conditions: readonly GoalCondition[];
}

/** Of a percentile of the whole visit, and of a share of failures, it is counted which visits are on the wrong side of it. */
export interface GoalCondition extends Condition {
  /** The share of all visits that may be: 0.01 for p99 and for 1 %. Undefined where nothing is counted. */
  readonly allowed: number | undefined;
  /** Longer than this, or failed; milliseconds. Infinity: failed. */
  readonly afterMs: number;
}

const tails: Readonly<Record<string, number>> = {
  p50: 0.5,
  p90: 0.1,
  p99: 0.01,
  'p99.9': 0.001,
  p999: 0.001,
};
/** What holds where nothing is said of failures: a server that refuses the half of its visitors serves the others well. */
const FAILURES = 'failures<1%';

/** Each text may have several with commas between them. Throws BAD_OPTION. */
export function parseGoal(option: string, texts: readonly string[]): Goal {
  const said = texts.flatMap((text) => text.split(','));
  const asked = said.map((text) => parseCondition(option, text));
  const wrong = asked.find(({ above, name }) => above || name === 'rate');
  if (wrong) {
    const problem =
      'what is to hold reads FIGURE<VALUE, as p99<50ms or failed<1%, and is searched for the highest rate';
    throw new BatonError('BAD_OPTION', { option, problem, value: wrong.text });
  }
  const ofFailures = asked.some(({ name }) => name.startsWith('fail'));
  const all = ofFailures ? asked : [...asked, parseCondition(option, FAILURES)];
  return { text: all.map(({ text }) => text).join(', '), conditions: all.map(counted) };
}

function counted(condition: Condition): GoalCondition {
  const { name, figure } = condition;
  if (name.startsWith('fail')) {
    const allowed = figure.share ? figure.limit / 100 : undefined;
    return { ...condition, allowed, afterMs: Number.POSITIVE_INFINITY };
  }
  const allowed = tails[name.replace(/^total\./, '')];
  return { ...condition, allowed, afterMs: figure.limit / 1000 };
}
