/** A soak as a report: what the page and its JSON have. */
import type { MachineEnvironment } from '../lab/environment.ts';
import type { Chart, Line, Table } from '../report/chart.ts';
import { REPORT_SCHEMA, type Report } from '../report/schema.ts';
import { formatCounts, formatMicros } from '../terminal/figures.ts';
import { mergeHistograms, spread } from '../visits/histogram.ts';
import { visitKinds } from './kinds.ts';
import type { Ran } from './run.ts';
import type { HeadSample } from './sample.ts';
import { type Judged, judge } from './verdict.ts';

interface About {
  readonly on: string;
  readonly command: string;
  readonly complete: boolean;
  readonly seed: number;
  readonly faultEveryMs: number;
  readonly environment: MachineEnvironment;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;

export function soakReport(ran: Ran, about: About): Report {
  const judged = judge(ran);
  const { samples, startAt } = ran;
  const endAt = samples.at(-1)?.at ?? startAt;
  return {
    schema: REPORT_SCHEMA,
    kind: 'baton-report',
    experiment: 'soak',
    title: 'steady visits for hours, and a fault a minute',
    question: 'Does a head stay as it is, for hours and whatever breaks?',
    answer: answer(judged),
    command: about.command,
    startedAt: new Date(startAt).toISOString(),
    seconds: (endAt - startAt) / 1000,
    complete: about.complete,
    environment: { ...about.environment, lab: about.on, baton: ran.version },
    parameters: {
      'visits a second': Math.round(ran.rate),
      'kinds of visits': visitKinds.map(({ name, share }) => `${share * 100} % ${name}`).join(', '),
      faults: `one each ${about.faultEveryMs / 1000} s, seed ${about.seed}`,
    },
    x: null,
    cases: [],
    comparisons: [],
    charts: charts(ran),
    tables: [verdictTable(judged), hourTable(ran), faultTable(ran)],
    saturation: [],
    notes: [
      'Memory is what is resident (RSS), of all threads; the slope is the line of least squares after the warm-up: the first hour, or a third of a shorter run.',
      'A visit may fail only when its life overlaps the moment of a fault that may cost it by the tables of the documents.',
    ],
    warnings: judged
      .filter(({ holds }) => holds === false)
      .map(({ question, figure }) => `${question}: no; ${figure}`),
  };
}

function answer(judged: readonly Judged[]): string {
  const word = (holds: boolean | undefined) => (holds ? 'yes' : holds === undefined ? 'not judged' : 'no');
  return judged.map(({ question, holds, figure }) => `${question}: ${word(holds)} (${figure}).`).join(' ');
}

function verdictTable(judged: readonly Judged[]): Table {
  return {
    title: 'What must hold',
    lead: 'Not judged: the run was too short for it.',
    columns: ['what', 'holds', 'figure'],
    rows: judged.map(({ question, holds, figure }) => [
      question,
      holds === undefined ? 'not judged' : holds ? 'yes' : 'no',
      figure,
    ]),
  };
}

function hourTable({ visits, startAt, samples }: Ran): Table {
  const hours = new Map<string, { hour: number; kind: string; latency: string[]; failed: string[] }>();
  for (const { at, kinds } of visits) {
    const hour = Math.max(0, Math.ceil((at - startAt) / HOUR_MS) - 1);
    for (const [kind, { latency, failed }] of Object.entries(kinds)) {
      const key = `${hour} ${kind}`;
      const row = hours.get(key) ?? { hour, kind, latency: [], failed: [] };
      row.latency.push(latency);
      row.failed.push(...failed.map(({ name }) => name));
      hours.set(key, row);
    }
  }
  const rows = [...hours.values()].map(({ hour, kind, latency, failed }) => {
    const { count, p50, p99, p999, max } = spread(mergeHistograms(latency));
    return [
      `hour ${hour + 1}, ${kind}`,
      String(count),
      ...[p50, p99, p999, max].map(formatMicros),
      formatCounts(countNames(failed)),
    ];
  });
  const cpu = samples.length > 1 ? samples.at(-1)!.cpuMicros - samples[0]!.cpuMicros : 0;
  const accepted = samples.length > 1 ? samples.at(-1)!.accepted - samples[0]!.accepted : 1;
  return {
    title: 'Visits by hour',
    lead: `From the intended start to the last byte. The head took ${(cpu / accepted).toFixed(0)} µs of CPU for each connection, over the whole run.`,
    columns: ['which', 'succeeded', 'p50', 'p99', 'p99.9', 'longest', 'failed'],
    rows,
  };
}

const countNames = (names: readonly string[]): Record<string, number> =>
  Object.fromEntries([...Map.groupBy(names, (name) => name)].map(([name, all]) => [name, all.length]));

function faultTable({ happened, failed }: Ran): Table {
  const byFault = Map.groupBy(happened, ({ fault }) => fault.name);
  return {
    title: 'Faults',
    lead: 'What each may cost, by which row, and how many visits failed whose life overlapped it.',
    columns: ['fault', 'times', 'may cost', 'failed', 'row'],
    rows: [...byFault].map(([name, times]) => {
      const { fault } = times[0]!;
      const near = failed.filter((visit) =>
        times.some(({ from, until }) => visit.from <= until && visit.to >= from),
      );
      return [
        name,
        String(times.length),
        fault.mayCost.join(', ') || 'nothing',
        String(near.length),
        fault.row,
      ];
    }),
  };
}

function charts({ samples, visits, startAt, happened }: Ran): Chart[] {
  const minutes = (at: number) => Number(((at - startAt) / MINUTE_MS).toFixed(3));
  const x = { title: 'since the visits began', unit: 'min', log: false };
  const line = (name: string, points: Line['points']): Line => ({ name, way: null, kind: 'steps', points });
  const ofHead = (name: string, value: (sample: HeadSample) => number) =>
    line(
      name,
      samples.map((sample) => ({ x: minutes(sample.at), y: value(sample) })),
    );
  const cpu = samples.slice(1).map((sample, index) => {
    const previous = samples[index]!;
    const share = (sample.cpuMicros - previous.cpuMicros) / ((sample.at - previous.at) * 1000);
    return { x: minutes(sample.at), y: Math.max(0, share * 100) };
  });
  const merged = visits.map(({ at, kinds }) => ({
    x: minutes(at),
    ...spread(mergeHistograms(Object.values(kinds).map(({ latency }) => latency))),
  }));
  const latency = (name: string, of: (one: (typeof merged)[number]) => number) =>
    line(
      name,
      merged.map((one) => ({ x: one.x, y: one.count === 0 ? null : of(one) / 1000 })),
    );
  const failures = visits.map(({ at, kinds }) => ({
    x: minutes(at),
    y: Object.values(kinds).reduce((sum, { failed }) => sum + failed.length, 0),
  }));
  const events = happened.map(({ from, fault }) => ({ x: minutes(from), label: fault.name }));
  const chart = (title: string, lead: string, y: Chart['y'], lines: Line[]): Chart => ({
    title,
    lead,
    x,
    y,
    lines,
    // Of hours they would hide what they mark.
    events: events.length > 12 ? [] : events,
  });
  return [
    chart(
      "The head's memory",
      'Resident, and the heap of its main thread.',
      { title: 'memory', unit: 'MB', log: false },
      [
        ofHead('resident', ({ residentBytes }) => residentBytes / 1e6),
        ofHead('heap', ({ heapBytes }) => heapBytes / 1e6),
      ],
    ),
    chart(
      'Files and connections',
      'Open files of the head; what it and its deliveries hold.',
      { title: 'count', unit: '', log: false },
      [
        ofHead('files', ({ fds }) => fds),
        ofHead('open', ({ open }) => open),
        ofHead('lingering', ({ lingering }) => lingering),
        ofHead('at deliveries', ({ inUse }) => inUse),
        ofHead('flows', ({ flows }) => flows),
      ],
    ),
    chart(
      'Visits',
      'All kinds together, from the intended start to the last byte.',
      { title: 'visit', unit: 'ms', log: true },
      [
        latency('p50', ({ p50 }) => p50),
        latency('p99', ({ p99 }) => p99),
        latency('longest', ({ max }) => max),
      ],
    ),
    chart('Failed visits', 'In each stretch of time.', { title: 'failed', unit: '', log: false }, [
      line('failed', failures),
    ]),
    chart("The head's CPU", 'Of one core.', { title: 'CPU', unit: '%', log: false }, [line('head', cpu)]),
  ];
}
