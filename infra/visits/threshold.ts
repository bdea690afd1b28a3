import { BatonError } from '../../shared/errors.ts';
import { parseDuration } from '../../shared/units.ts';
import type { VisitResult } from './result.ts';

/** A limit on one figure of a result, e.g. `p99>50ms`: crossed when it is true. */
export interface Threshold {
  readonly text: string;
  /** What crossed it, in words; undefined when it holds. */
  check(result: VisitResult): string | undefined;
}

/** What a person writes of a figure, read: `p99<50ms`. */
export interface Condition {
  readonly text: string;
  /** As it is written: `p99`, `failures`, `connect.p99`. */
  readonly name: string;
  readonly above: boolean;
  readonly figure: Figure;
}

interface Figure {
  /** Microseconds, visits, per cent or visits a second. */
  readonly limit: number;
  /** Per cent of all visits. */
  readonly share?: boolean;
  read(result: VisitResult): number | undefined;
  show(value: number): string;
}

/** What a person writes, and the figure's name in a result. */
const percentiles = {
  mean: 'mean',
  p50: 'p50',
  p90: 'p90',
  p99: 'p99',
  'p99.9': 'p999',
  p999: 'p999',
  max: 'max',
} as const;
const places = [
  'total',
  'connect',
  'secure',
  'firstByte',
  'lastByte',
  'redirectHop',
  'moreRequests',
  'message',
] as const;

const help = `a limit reads FIGURE>VALUE or FIGURE<VALUE: mean, p50, p90, p99, p99.9, max (or e.g. connect.p99; of ${places.join(', ')}) with a duration, failures or late with a number or a percentage, rate with a number`;

/** Throws BAD_OPTION for what it cannot read. */
export function parseCondition(option: string, text: string): Condition {
  const match = /^\s*([A-Za-z0-9.]+)\s*([<>])\s*(.+?)\s*$/.exec(text);
  const figure = match && figureFor(match[1]!, match[3]!);
  if (!match || !figure) throw new BatonError('BAD_OPTION', { option, problem: help, value: text });
  return { text: text.trim(), name: match[1]!, above: match[2] === '>', figure };
}

/** Of `--fail-if`. Throws BAD_OPTION for what it cannot read. */
export function parseThreshold(text: string): Threshold {
  const condition = parseCondition('--fail-if', text);
  const { name, above, figure } = condition;
  return {
    text: condition.text,
    check(result) {
      const value = figure.read(result);
      if (value === undefined)
        return `no visit succeeded that has this figure, so "${condition.text}" cannot be answered`;
      const crossed = above ? value > figure.limit : value < figure.limit;
      return crossed ? `${name} is ${figure.show(value)}, against the limit ${condition.text}` : undefined;
    },
  };
}

function measureAt({ latency, messages, phases }: VisitResult, where: (typeof places)[number]) {
  if (where === 'total') return latency;
  return where === 'message' ? messages?.roundTrip : phases[where];
}

function figureFor(name: string, value: string): Figure | undefined {
  if (name === 'failures' || name === 'failed')
    return share(value, (result) => [result.failed, result.visits]);
  if (name === 'late') return share(value, (result) => [result.lateness.late, result.visits]);
  if (name === 'rate') {
    return /^\d+(\.\d+)?$/.test(value)
      ? {
          limit: Number(value),
          read: (result) => result.achievedRate,
          show: (rate) => `${rate.toFixed(1)}/s`,
        }
      : undefined;
  }
  // The whole name is read: p99.9 has a point of its own.
  const where = places.find((place) => name.startsWith(`${place}.`));
  const percentile = where === undefined ? name : name.slice(where.length + 1);
  const at = Object.hasOwn(percentiles, percentile)
    ? percentiles[percentile as keyof typeof percentiles]
    : undefined;
  const limit = parseDuration(value);
  if (!at || limit === undefined) return undefined;
  return {
    limit: limit * 1000,
    read: (result) => {
      const measure = measureAt(result, where ?? 'total');
      return measure === undefined || measure.count === 0 ? undefined : measure[at];
    },
    show: (micros) => `${(micros / 1000).toFixed(3)} ms`,
  };
}

/** `5` counts visits, `1%` is of all visits. */
function share(value: string, of: (result: VisitResult) => [number, number]): Figure | undefined {
  const match = /^(\d+(?:\.\d+)?)(%?)$/.exec(value);
  if (!match) return undefined;
  const percent = match[2] === '%';
  return {
    limit: Number(match[1]),
    share: percent,
    read: (result) => {
      const [part, whole] = of(result);
      if (!percent) return part;
      return whole === 0 ? undefined : (part * 100) / whole;
    },
    show: (figure) => (percent ? `${figure.toFixed(2)} %` : String(figure)),
  };
}
