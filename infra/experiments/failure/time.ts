import type { Lab } from '../../lab/lab.ts';
import type { Chart, Line } from '../../report/chart.ts';
import type { Round } from '../../report/schema.ts';
import type { Way } from '../kit/ways.ts';

export interface Fault {
  readonly name: string;
  /** What the plot says where it happens, and where it is over. */
  readonly marks: readonly [string, string];
  readonly ofHead: boolean;
  /** It lasts until `end`; else it is over when `begin` is. */
  readonly lasts: boolean;
  /** Of a head that a keeper runs. */
  readonly kept?: true;
  begin(lab: Lab, way: Way): Promise<void>;
  end(lab: Lab, way: Way): Promise<void>;
}

/** One way and one fault: what each visit took, on the clock of the run. */
export interface Observed {
  readonly fault: Fault;
  readonly way: Way;
  readonly x: number;
  /** When it broke and when it was whole again, milliseconds since the measurement began. */
  readonly faultMs: number;
  readonly endMs: number;
  readonly round: Round;
}

interface Sample {
  readonly startMs: number;
  readonly totalMs: number;
  readonly failed: boolean;
}

const samplesOf = ({ round }: Observed): Sample[] => {
  const { startMicros, totalMicros } = round.visits.samples!;
  return startMicros.map((start, index) => ({
    startMs: start / 1000,
    totalMs: Math.abs(totalMicros[index]!) / 1000,
    failed: totalMicros[index]! < 0,
  }));
};

interface Disturbance {
  /** Successful visits that took longer than any before the fault. */
  readonly slow: number;
  readonly longestMicros: number;
  readonly lastedMs: number;
}

/** What a visit may take above all that came before the fault, milliseconds. */
const TOLERANCE_MS = 50;

export function disturbance(observed: Observed): Disturbance {
  const samples = samplesOf(observed);
  const over = ({ startMs, totalMs }: Sample) => startMs + totalMs;
  const calm = samples.filter((sample) => over(sample) < observed.faultMs && !sample.failed);
  const limit = Math.max(0, ...calm.map(({ totalMs }) => totalMs)) + TOLERANCE_MS;
  const disturbed = samples.filter(
    (sample) => over(sample) >= observed.faultMs && (sample.failed || sample.totalMs > limit),
  );
  return {
    slow: disturbed.filter(({ failed }) => !failed).length,
    longestMicros: 1000 * Math.max(...samples.map(({ totalMs }) => totalMs)),
    lastedMs: Math.max(0, ...disturbed.map((sample) => over(sample) - observed.faultMs)),
  };
}

const BIN_MS = 100;

/** The slowest visit begun in each tenth of a second; a failed one is drawn at the time limit. */
export function timeChart(fault: Fault, all: readonly Observed[], timeoutMs: number): Chart {
  const observed = all.filter((each) => each.fault === fault);
  const lines = observed.map((each): Line => {
    const slowest = new Map<number, number>();
    for (const { startMs, totalMs, failed } of samplesOf(each)) {
      const bin = Math.floor(startMs / BIN_MS);
      slowest.set(bin, Math.max(slowest.get(bin) ?? 0, failed ? timeoutMs : totalMs));
    }
    return {
      name: each.way.name,
      way: each.way.name,
      kind: 'steps',
      points: [...slowest]
        .sort(([one], [other]) => one - other)
        .map(([bin, y]) => ({ x: (bin * BIN_MS) / 1000, y })),
    };
  });
  const middle = (of: (each: Observed) => number) =>
    observed.reduce((sum, each) => sum + of(each), 0) / observed.length / 1000;
  const events =
    observed.length === 0
      ? []
      : [
          { x: middle(({ faultMs }) => faultMs), label: fault.marks[0] },
          { x: middle(({ endMs }) => endMs), label: fault.marks[1] },
        ].filter(({ label }) => label !== '');
  return {
    title: `Over time: ${fault.name}`,
    lead: `The slowest visit begun in each tenth of a second; a visit that failed is drawn at its time limit of ${timeoutMs / 1000} s.`,
    x: { title: 'since the run began', unit: 's', log: false },
    y: { title: 'visit', unit: 'ms', log: true },
    lines,
    events,
  };
}
