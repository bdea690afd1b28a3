import type { Happened } from '../../lab/file/world.ts';
import type { Chart, Line } from '../../report/chart.ts';
import type { Round } from '../../report/schema.ts';

/** Visits by one way, once. */
export interface Turn {
  readonly way: string;
  readonly round: Round;
  readonly happened: readonly Happened[];
}

interface TimeLines {
  readonly p50: readonly Line[];
  readonly p99: readonly Line[];
  readonly failed: readonly Line[];
  readonly anyFailed: boolean;
  readonly events: Chart['events'];
}

/** Stretches on the axis, at most; each is a round number of tenths of a second. */
const STRETCHES = 60;

/** What the visits of each way took, by when they were begun; and what happened when, in the middle of all turns. */
export function timeLines(turns: readonly Turn[]): TimeLines {
  const { durationMs } = turns[0]!.round.visits;
  const stretchMs = Math.max(100, Math.ceil(durationMs / STRETCHES / 100) * 100);
  const ways = [...new Set(turns.map(({ way }) => way))];
  const bins = new Map(
    ways.map((way) => [
      way,
      binned(
        turns.filter((turn) => turn.way === way),
        stretchMs,
      ),
    ]),
  );
  const line = (of: (totals: readonly number[]) => number | null) =>
    ways.map(
      (way): Line => ({
        name: way,
        way,
        kind: 'steps',
        points: bins.get(way)!.map((totals, index) => ({ x: (index * stretchMs) / 1000, y: of(totals) })),
      }),
    );
  const failed = line((totals) =>
    totals.length === 0 ? null : (100 * totals.filter((total) => total < 0).length) / totals.length,
  );
  return {
    p50: line((totals) => quantile(totals, 0.5)),
    p99: line((totals) => quantile(totals, 0.99)),
    failed,
    anyFailed: failed.some(({ points }) => points.some(({ y }) => y !== null && y > 0)),
    events: eventsOf(turns),
  };
}

/** The visits begun in each stretch: microseconds, minus them where it failed. */
function binned(turns: readonly Turn[], stretchMs: number): number[][] {
  const { durationMs } = turns[0]!.round.visits;
  const bins: number[][] = Array.from({ length: Math.ceil(durationMs / stretchMs) }, () => []);
  for (const { round } of turns) {
    const { startMicros, totalMicros } = round.visits.samples!;
    for (const [at, start] of startMicros.entries())
      bins[Math.min(bins.length - 1, Math.floor(start / 1000 / stretchMs))]!.push(totalMicros[at]!);
  }
  return bins;
}

/** Milliseconds, of those that succeeded. */
function quantile(totals: readonly number[], share: number): number | null {
  const sorted = totals.filter((total) => total >= 0).sort((one, other) => one - other);
  return sorted.length === 0
    ? null
    : sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]! / 1000;
}

/** Of all turns the first in each has the same place, and so on. */
function eventsOf(turns: readonly Turn[]): Chart['events'] {
  const most = Math.max(...turns.map(({ happened }) => happened.length));
  return Array.from({ length: most }, (_, index) => {
    const all = turns.flatMap(({ happened, round }) => {
      const one = happened[index];
      return one ? [{ label: one.text, at: one.from - Date.parse(round.visits.startedAt) }] : [];
    });
    const x = all.reduce((sum, { at }) => sum + at, 0) / all.length / 1000;
    return { x: Math.max(0, x), label: all[0]!.label };
  });
}
