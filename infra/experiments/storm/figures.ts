/** What is seen of a crowd that met a head. */
import type { Chart, Line, Table } from '../../report/chart.ts';
import { formatCounts, formatMicros } from '../../terminal/figures.ts';
import { mergeHistograms, quantiles } from '../../visits/histogram.ts';
import type { VisitResult } from '../../visits/result.ts';

export interface Listeners {
  readonly workers: number;
  /** Of each worker. */
  readonly backlog: number;
}

export interface Crowd extends Listeners {
  readonly clients: number;
  readonly headIs: 'standing still' | 'at work';
}

export interface Outcome extends Crowd {
  readonly visits: readonly VisitResult[];
  readonly overflows: number | null;
  /** How much later than agreed the last generator began. */
  readonly lateMs: number;
}

export const nameOf = ({ workers, backlog }: Listeners) => `${workers} × ${backlog}`;

const connectTimes = ({ visits }: Outcome) =>
  mergeHistograms(visits.map(({ phases }) => phases.connect.histogram));

export function crowdTable(outcomes: readonly Outcome[]): Table {
  return {
    title: 'Each crowd',
    lead: 'Connect times are of clients that were answered in the end. “Waited” connected only with a repeated SYN, after 0.9 s or more.',
    columns: [
      'clients',
      'workers × backlog',
      'head',
      'answered',
      'failed',
      'waited',
      'connect p50',
      'p99',
      'max',
      'overflows',
      'begun within',
    ],
    rows: outcomes.map((outcome) => {
      const times = connectTimes(outcome);
      const sum = (of: (result: VisitResult) => number) =>
        outcome.visits.reduce((total, result) => total + of(result), 0);
      return [
        String(outcome.clients),
        nameOf(outcome),
        outcome.headIs,
        String(sum(({ succeeded }) => succeeded)),
        formatCounts(failuresOf(outcome)),
        String(waited(outcome)),
        formatMicros(times.getValueAtPercentile(50)),
        formatMicros(times.getValueAtPercentile(99)),
        formatMicros(times.maxValue),
        outcome.overflows === null ? 'unknown' : String(outcome.overflows),
        formatMicros(Math.max(...outcome.visits.map(({ lateness }) => lateness.max))),
      ];
    }),
  };
}

export function failuresOf({ visits }: Outcome): Record<string, number> {
  const failures: Record<string, number> = {};
  for (const result of visits)
    for (const [name, count] of Object.entries(result.failures))
      failures[name] = (failures[name] ?? 0) + count;
  return failures;
}

const WAITED_FROM_MICROS = 900_000;

export function waited(outcome: Outcome): number {
  const times = connectTimes(outcome);
  const shares = quantiles(times, 10_000);
  const first = shares.findIndex((micros) => micros >= WAITED_FROM_MICROS);
  return first < 0 ? 0 : Math.round(((shares.length - first) / shares.length) * times.totalCount);
}

export function connectChart(outcomes: readonly Outcome[], clients: number): Chart {
  const steps = 200;
  const lines = outcomes
    .filter((outcome) => outcome.clients === clients && outcome.headIs === 'standing still')
    .map((outcome): Line => {
      const times = quantiles(connectTimes(outcome), steps);
      return {
        name: nameOf(outcome),
        way: null,
        kind: 'steps',
        points: times.map((micros, index) => ({
          x: Math.max(0.1, micros / 1000),
          y: (100 * (index + 1)) / steps,
        })),
      };
    });
  return {
    title: `${clients} clients meet a head that is stopped`,
    lead: 'The share of clients that were connected after so long, by workers × backlog.',
    x: { title: 'time to connect', unit: 'ms', log: true },
    y: { title: 'clients', unit: '%', log: false },
    lines,
    events: [],
  };
}
