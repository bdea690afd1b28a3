/** What was seen, kept for a report: bounded, however long it goes on. */
import type { Round } from '../report/schema.ts';
import type { Director } from './director.ts';
import type { Sample } from './sampler.ts';
import type { LiveEvent, Tick, WayTick } from './tick.ts';
import type { VisitedWindow } from './visitors/protocol.ts';

/** Points of a line over time; when there are more, two become one. */
const POINTS_MAX = 1800;
const EVENTS_MAX = 500;
/** Rounds of a case: the latest. */
const ROUNDS_MAX = 60;
const CASES_MAX = 40;
/** Samples of the head's counters: windows are told when their last visit is over. */
const SAMPLES_MAX = 30;

/** What a stretch of time has of each way; of several that were made one, the sums and the largest. */
export interface Row {
  readonly at: number;
  readonly ticks: number;
  readonly ms: number;
  readonly ways: Readonly<Record<string, WayTick>>;
  readonly cpuMicros: number | null;
  readonly queued: number;
}

export interface RecordedCase {
  readonly way: string;
  /** What was so while it was measured, in words; the same for the same. */
  readonly conditions: string;
  readonly rounds: Round[];
  /** Also those that are not kept. */
  count: number;
}

export class Recorder {
  readonly startedAt = Date.now();
  readonly events: LiveEvent[] = [];
  readonly cases = new Map<string, RecordedCase>();
  rows: Row[] = [];
  #ticksARow = 1;
  #pending: Row | undefined;
  readonly #samples: { at: number; accepted: number; cpuMicros: number; pid: number }[] = [];

  sampled({ at, status }: Sample): void {
    if (!status) return;
    const { accepted, cpu, pid } = status;
    this.#samples.push({ at, accepted, cpuMicros: cpu.userMicros + cpu.systemMicros, pid });
    if (this.#samples.length > SAMPLES_MAX) this.#samples.shift();
  }

  ticked(tick: Tick): void {
    this.events.push(...tick.events);
    if (this.events.length > EVENTS_MAX) this.events.splice(0, this.events.length - EVENTS_MAX);
    const row: Row = {
      at: tick.at,
      ticks: 1,
      ms: tick.ms,
      ways: tick.ways,
      cpuMicros: tick.head?.cpuMicros ?? null,
      queued: tick.head?.queued ?? 0,
    };
    this.#pending = this.#pending ? joined(this.#pending, row) : row;
    if (this.#pending.ticks < this.#ticksARow) return;
    this.rows.push(this.#pending);
    this.#pending = undefined;
    if (this.rows.length < POINTS_MAX) return;
    const pairs: Row[] = [];
    for (let at = 0; at < this.rows.length; at += 2) {
      const [one, other] = [this.rows[at]!, this.rows[at + 1]];
      pairs.push(other ? joined(one, other) : one);
    }
    this.rows = pairs;
    this.#ticksARow *= 2;
  }

  /** A window of visits that were all made under the same conditions. */
  visited({ way, from, until, whole, result }: VisitedWindow, conditions: string): void {
    if (!whole || result.visits === 0) return;
    const key = `${way}\n${conditions}`;
    let found = this.cases.get(key);
    if (!found) {
      if (this.cases.size >= CASES_MAX) return;
      found = { way, conditions, rounds: [], count: 0 };
      this.cases.set(key, found);
    }
    found.count++;
    found.rounds.push({ round: found.count, visits: result, ...this.#costOf(from, until) });
    if (found.rounds.length > ROUNDS_MAX) found.rounds.shift();
  }

  /** The head's counters at both ends, between the seconds at which they were read. */
  #costOf(from: number, until: number): Pick<Round, 'headConnections' | 'headCpuMicrosPerConnection'> {
    const [before, after] = [this.#countersAt(from), this.#countersAt(until)];
    if (!before || !after || before.pid !== after.pid)
      return { headConnections: 0, headCpuMicrosPerConnection: null };
    const accepted = Math.round(after.accepted - before.accepted);
    return {
      headConnections: Math.max(0, accepted),
      headCpuMicrosPerConnection: accepted > 0 ? (after.cpuMicros - before.cpuMicros) / accepted : null,
    };
  }

  #countersAt(at: number): { accepted: number; cpuMicros: number; pid: number } | undefined {
    const after = this.#samples.findIndex((sample) => sample.at >= at);
    // The last moments have not been read yet: they are like those before.
    const index = after < 0 ? this.#samples.length - 1 : after;
    const [one, other] = [this.#samples[index - 1], this.#samples[index]];
    if (!one || !other || one.pid !== other.pid) return undefined;
    const share = (at - one.at) / (other.at - one.at);
    const between = (key: 'accepted' | 'cpuMicros') => one[key] + share * (other[key] - one[key]);
    return { pid: one.pid, accepted: between('accepted'), cpuMicros: between('cpuMicros') };
  }
}

function joined(one: Row, other: Row): Row {
  const names = new Set([...Object.keys(one.ways), ...Object.keys(other.ways)]);
  return {
    at: other.at,
    ticks: one.ticks + other.ticks,
    ms: one.ms + other.ms,
    ways: Object.fromEntries([...names].map((name) => [name, joinedWays(one.ways[name], other.ways[name])])),
    cpuMicros: one.cpuMicros === null ? other.cpuMicros : Math.max(one.cpuMicros, other.cpuMicros ?? 0),
    queued: Math.max(one.queued, other.queued),
  };
}

function joinedWays(one: WayTick | undefined, other: WayTick | undefined): WayTick {
  if (!one || !other) return (one ?? other)!;
  const heat = new Map<number, number>();
  for (const { heat: pairs } of [one, other])
    for (let at = 0; at < pairs.length; at += 2)
      heat.set(pairs[at]!, (heat.get(pairs[at]!) ?? 0) + pairs[at + 1]!);
  const most = (key: 'p50' | 'p90' | 'p99' | 'max') => Math.max(one[key], other[key]);
  return {
    done: one.done + other.done,
    failed: one.failed + other.failed,
    ...{ p50: most('p50'), p90: most('p90'), p99: most('p99'), max: most('max') },
    heat: [...heat].flat(),
  };
}

/** What is so at this moment besides the way, in words. Empty: as it was at the beginning. */
export function conditionsOf(director: Director, initialRate: number, initialPolicy: string): string {
  const cables = [...director.cables].flatMap(([host, { rttMs, lossPercent }]) =>
    rttMs === 0 && lossPercent === 0
      ? []
      : [`cable of ${host} ${rttMs} ms${lossPercent > 0 ? `, ${lossPercent} % lost` : ''}`],
  );
  const { status } = director;
  return [
    ...(director.rate === initialRate ? [] : [`${director.rate} visits/s`]),
    ...(!status || status.policy === initialPolicy ? [] : [status.policy]),
    ...cables,
    ...director.deliveries.flatMap(({ name }) => {
      const running = director.running(name);
      if (running === 'frozen' || running === 'ended') return [`${name} ${running}`];
      return director.isDrained(name) ? [`${name} drained`] : [];
    }),
  ].join(', ');
}
