/** A report of what a live page has shown: like that of an experiment, so that the two can be compared. */

import { compareWays } from '../experiments/kit/findings.ts';
import { readEnvironment, readEnvironmentOf } from '../lab/environment.ts';
import type { Chart, Heat, Line } from '../report/chart.ts';
import { type Case, REPORT_SCHEMA, type Report } from '../report/schema.ts';
import { summariseRounds } from '../report/summarise.ts';
import { formatMicros } from '../terminal/figures.ts';
import { bucketEnd } from '../visits/buckets.ts';
import type { Recorder, Row } from './recorder.ts';
import type { Stage } from './stage.ts';
import type { LiveWay } from './ways.ts';

export interface Seen {
  readonly stage: Stage;
  readonly ways: readonly LiveWay[];
  readonly recorder: Recorder;
  readonly rate: number;
  readonly policy: string;
  readonly version: string;
  readonly deliveries: readonly string[];
}

export async function makeReport(seen: Seen): Promise<Report> {
  const { stage, recorder, rate, policy, version } = seen;
  const cases = casesOf(seen);
  const plain = cases.filter(({ name, way }) => name === way);
  const seconds = (Date.now() - recorder.startedAt) / 1000;
  const environment = await (stage.lab ? readEnvironmentOf(stage.lab.head.host) : readEnvironment());
  return {
    schema: REPORT_SCHEMA,
    kind: 'baton-report',
    experiment: 'live',
    title: 'what was seen live',
    question: 'What changed, and when?',
    answer: answerOf(plain, recorder),
    command: stage.command,
    startedAt: new Date(recorder.startedAt).toISOString(),
    seconds,
    complete: true,
    environment: { ...environment, lab: stage.on, baton: version },
    parameters: {
      'visits per second': rate,
      arrivals: 'poisson',
      'seconds per round and case': 1,
      'requests per visit': 1,
      paths: stage.paths.join(' '),
      deliveries: seen.deliveries.join(', '),
      policy,
    },
    x: null,
    cases,
    comparisons: plain.length > 1 ? compareWays(plain, () => 'p50') : [],
    charts: chartsOf(recorder),
    heats: heatsOf(recorder),
    tables: [
      {
        title: 'What happened',
        lead: 'Seconds since the beginning.',
        columns: ['at', 'what'],
        rows: recorder.events.map(({ at, text }) => [`${sinceStart(recorder, at).toFixed(1)} s`, text]),
      },
    ].filter(({ rows }) => rows.length > 0),
    saturation: [],
    notes: [
      'A round is a second of visits under the same conditions; the first one after each change is not counted, nor is one in which something was switched.',
      `Of each case the last ${roundsKept(recorder)} rounds at most are kept. A case that has something behind its name was measured under other conditions than those of the beginning.`,
      "Times run from the moment a visit was meant to begin, so a delay anywhere, the generator's own included, is in them.",
      "The head's CPU for each connection is between the seconds at which its counters were read, and what it costs it to be asked is part of it.",
    ],
    warnings: [],
  };
}

const roundsKept = ({ cases }: Recorder) =>
  Math.max(1, ...[...cases.values()].map(({ rounds }) => rounds.length));
const sinceStart = ({ startedAt }: Recorder, at: number) => Math.max(0, (at - startedAt) / 1000);

function casesOf({ recorder, ways }: Seen): Case[] {
  const order = ways.map(({ name }) => name);
  return [...recorder.cases.values()]
    .toSorted(
      (one, other) =>
        one.conditions.localeCompare(other.conditions) || order.indexOf(one.way) - order.indexOf(other.way),
    )
    .map(({ way, conditions, rounds }) => ({
      name: conditions === '' ? way : `${way}, ${conditions}`,
      way,
      x: null,
      description: ways.find(({ name }) => name === way)?.about ?? '',
      rounds,
      summary: summariseRounds(rounds),
    }));
}

function answerOf(plain: readonly Case[], { events }: Recorder): string {
  const medians = plain.flatMap(({ name, summary }) =>
    summary && summary.latency.count > 0 ? [`${formatMicros(summary.p50.median)} by ${name}`] : [],
  );
  const happened = `${events.length} ${events.length === 1 ? 'thing' : 'things'} happened on the way`;
  if (medians.length === 0) return `No visits were measured; ${happened}.`;
  return `Half of all visits took at most ${medians.join(', ')}; ${happened}.`;
}

function chartsOf(recorder: Recorder): Chart[] {
  const { rows, events } = recorder;
  if (rows.length === 0) return [];
  const names = [...new Set(rows.flatMap(({ ways }) => Object.keys(ways)))];
  const x = { title: 'since the beginning', unit: 's', log: false };
  const marked = events
    .filter(({ kind }) => kind !== 'problem' && kind !== 'noted')
    .map(({ at, text }) => ({ x: sinceStart(recorder, at), label: text }));
  const over = (
    title: string,
    lead: string,
    unit: string,
    log: boolean,
    of: (way: string, row: Row) => number | null,
  ): Chart => ({
    ...{ title, lead, x, y: { title, unit, log }, events: marked },
    lines: names.flatMap((way): Line[] => {
      const points = rows.flatMap((row) => {
        const y = row.ways[way] ? of(way, row) : null;
        return y === null || (log && y <= 0) ? [] : [{ x: sinceStart(recorder, row.at), y }];
      });
      return points.length > 0 ? [{ name: way, way, kind: 'steps', points }] : [];
    }),
  });
  const micros = (key: 'p50' | 'p99') => (way: string, row: Row) => row.ways[way]![key] / 1000;
  const cpu: Chart = {
    ...{ title: 'CPU of the head for each connection', x, events: marked },
    lead: 'Of its process, over the connections that it accepted in the same time.',
    y: { title: 'CPU', unit: 'µs', log: false },
    lines: [
      {
        ...{ name: 'head', way: null, kind: 'steps' as const },
        points: rows.flatMap(({ at, cpuMicros: y }) =>
          y === null ? [] : [{ x: sinceStart(recorder, at), y }],
        ),
      },
    ],
  };
  const median = 'Of the visits that ended in each second, half took at most so long.';
  const slowest = 'Of the visits that ended in each second, all but one in a hundred took at most so long.';
  return [
    over('Median over time', median, 'ms', true, micros('p50')),
    over('Slowest hundredth over time', slowest, 'ms', true, micros('p99')),
    over(
      'Visits a second',
      'Ended, failures included.',
      '/s',
      false,
      (way, row) => (1000 * row.ways[way]!.done) / row.ms,
    ),
    over(
      'Failures a second',
      'Of those.',
      '/s',
      false,
      (way, row) => (1000 * row.ways[way]!.failed) / row.ms,
    ),
    cpu,
  ].filter(({ lines }) => lines.some(({ points }) => points.some(({ y }) => y !== null && y > 0)));
}

function heatsOf(recorder: Recorder): Heat[] {
  const { rows } = recorder;
  const names = [...new Set(rows.flatMap(({ ways }) => Object.keys(ways)))];
  return names.map((way) => ({
    way,
    columns: rows.flatMap((row) => {
      const heat = row.ways[way]?.heat ?? [];
      const cells = Array.from({ length: heat.length / 2 }, (_, index): [number, number] => [
        bucketEnd(heat[2 * index]!),
        heat[2 * index + 1]!,
      ]);
      return cells.length > 0 ? [{ x: sinceStart(recorder, row.at), width: row.ms / 1000, cells }] : [];
    }),
  }));
}
