import { medianInterval } from '../statistics/bootstrap.ts';
import { median } from '../statistics/median.ts';
import { mergeHistograms, spread } from '../visits/histogram.ts';
import { type PhaseName, phaseNames } from '../visits/phases.ts';
import type { CaseSummary, OverRounds, Round } from './schema.ts';

/** What the rounds of one case say together; null when there are none. */
export function summariseRounds(rounds: readonly Round[]): CaseSummary | null {
  if (rounds.length === 0) return null;
  const results = rounds.map((round) => round.visits);
  const answered = results.filter((result) => result.succeeded > 0);
  const figure = (name: 'p50' | 'p90' | 'p99' | 'max') =>
    overRounds(answered.map((result) => result.latency[name]));
  const cpu = rounds.map((round) => round.headCpuMicrosPerConnection).filter((micros) => micros !== null);
  const visits = sum(results.map((result) => result.visits));
  return {
    p50: figure('p50'),
    p90: figure('p90'),
    p99: figure('p99'),
    max: figure('max'),
    visits,
    failures: addCounts(results.map((result) => result.failures)),
    connectionsPerVisit: visits === 0 ? 0 : sum(results.map((result) => result.connections)) / visits,
    headCpuMicrosPerConnection: cpu.length === 0 ? null : overRounds(cpu),
    latency: spread(mergeHistograms(results.map((result) => result.latency.histogram))),
    phaseMeans: Object.fromEntries(phaseNames.map((name) => [name, phaseMean(rounds, name)])),
  };
}

function phaseMean(rounds: readonly Round[], name: PhaseName): number {
  const phases = rounds.map((round) => round.visits.phases[name]);
  const count = sum(phases.map((phase) => phase.count));
  return count === 0 ? 0 : sum(phases.map((phase) => phase.mean * phase.count)) / count;
}

/** All zero for no values. */
export function overRounds(values: readonly number[]): OverRounds {
  if (values.length === 0) return { median: 0, low: 0, high: 0, min: 0, max: 0 };
  return {
    median: median(values),
    ...medianInterval(values),
    min: Math.min(...values),
    max: Math.max(...values),
  };
}

function addCounts(all: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const total: Record<string, number> = {};
  for (const counts of all) {
    for (const [name, count] of Object.entries(counts)) total[name] = (total[name] ?? 0) + count;
  }
  return total;
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
