/** A second as pages get it: what has happened in it, and how things are at its end. */
import type { HeadStatus } from '../../shared/status.ts';
import { hindrances } from './deeds.ts';
import type { CableSetting, Director, EventKind, Running } from './director.ts';
import type { Sample } from './sampler.ts';
import type { Hindrance } from './stage.ts';
import type { Heard } from './visitors/visitors.ts';

export interface LiveEvent {
  /** Milliseconds since 1970, like every `at`. */
  readonly at: number;
  readonly kind: EventKind;
  readonly text: string;
}

/** Durations in microseconds. */
export interface WayTick {
  readonly done: number;
  readonly failed: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
  /** Bucket and count, one after the other. */
  readonly heat: readonly number[];
}

interface HeadTick {
  readonly pid: number;
  readonly mode: string;
  readonly policy: string;
  readonly listen: string;
  readonly queued: number;
  readonly backlog: number;
  /** Of which it is not decided yet what becomes of them. */
  readonly open: number;
  readonly lingering: number;
  /** In this second. */
  readonly accepted: number;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly cpuShare: number;
  /** Null when too few connections came to say. */
  readonly cpuMicros: number | null;
}

interface DeliveryTick {
  readonly name: string;
  readonly state: string;
  readonly running: Running | null;
  readonly transport: string;
  readonly inUse: number;
  readonly untaken: number;
  readonly credits: number;
  /** In this second. */
  readonly taken: number;
  readonly returned: number;
  readonly sent: number;
  /** Since the head started. */
  readonly takenInAll: number;
}

export interface Tick {
  readonly n: number;
  readonly at: number;
  /** How long it was: after a switch less than a second. */
  readonly ms: number;
  readonly ways: Readonly<Record<string, WayTick>>;
  readonly failures: Readonly<Record<string, number>>;
  readonly inFlight: number;
  readonly head: HeadTick | null;
  readonly silence: string | null;
  readonly deliveries: readonly DeliveryTick[];
  readonly moved: { readonly flows: number; readonly moving: number; readonly adopted: number } | null;
  /** Growth in this second. */
  readonly kernel: Readonly<Record<string, number>>;
  readonly events: readonly LiveEvent[];
  readonly wanted: {
    readonly way: string;
    readonly turns: readonly [string, string] | null;
    readonly rate: number;
    readonly cables: Readonly<Record<string, CableSetting>>;
    readonly drained: readonly string[];
  };
  readonly cannot: Readonly<Record<string, Hindrance>>;
}

/** A CPU figure of fewer connections than that says more of the status that was asked for. */
const CONNECTIONS_MIN = 20;

/** What a connection costs the head, over as many seconds as it takes for enough of them to come. */
export class CpuMeter {
  #since: HeadStatus | undefined;

  /** Microseconds for each connection since the last figure; null when too few have come. */
  read(status: HeadStatus): number | null {
    const since = this.#since;
    if (!since || since.pid !== status.pid) {
      this.#since = status;
      return null;
    }
    const accepted = status.accepted - since.accepted;
    if (accepted < CONNECTIONS_MIN) return null;
    this.#since = status;
    return (cpuOf(status) - cpuOf(since)) / accepted;
  }
}

export interface TickSource {
  readonly n: number;
  readonly before: Sample | undefined;
  readonly sample: Sample;
  readonly heard: Heard;
  readonly cpu: CpuMeter;
  readonly events: readonly LiveEvent[];
  readonly director: Director;
}

export function makeTick({ n, before, sample, heard, cpu, events, director }: TickSource): Tick {
  const { status } = sample;
  // A head that was started again counts from zero; a successor does as well.
  const was = before?.status?.pid === status?.pid ? before?.status : undefined;
  return {
    n,
    at: sample.at,
    ms: before ? Math.max(1, sample.at - before.at) : 1000,
    ways: Object.fromEntries(
      Object.entries(heard.ways).map(([name, { failures, ...figures }]) => [
        name,
        { ...figures, failed: sum(Object.values(failures)) },
      ]),
    ),
    failures: addedUp(Object.values(heard.ways).map(({ failures }) => failures)),
    inFlight: heard.inFlight,
    head: status ? headTick(status, was, before ? sample.at - before.at : 0, cpu) : null,
    silence: sample.silence ?? null,
    deliveries: director.deliveries.map((each) => {
      const then = was?.deliveries.find(({ name, pid }) => name === each.name && pid === each.pid);
      const since = (key: 'taken' | 'returned' | 'redirected' | 'created') => grown(each[key], then?.[key]);
      const { name, state, transport, inUse, untaken, credits } = each;
      return {
        ...{ name, state: status ? state : 'unknown', transport, inUse, untaken, credits },
        running: director.running(name) ?? null,
        taken: since('taken'),
        returned: since('returned'),
        sent: since('redirected') + since('created'),
        takenInAll: each.taken,
      };
    }),
    moved: status?.migration
      ? {
          flows: status.migration.flows.count,
          moving: status.migration.moving,
          adopted: grown(status.migration.outcomes.adopted ?? 0, was?.migration?.outcomes.adopted),
        }
      : null,
    kernel: Object.fromEntries(
      Object.entries(sample.kernel).map(([name, value]) => [name, grown(value, before?.kernel[name])]),
    ),
    events,
    wanted: {
      way: director.way,
      turns: director.turns,
      rate: director.rate,
      cables: Object.fromEntries(director.cables),
      drained: director.deliveries.flatMap(({ name }) => (director.isDrained(name) ? [name] : [])),
    },
    cannot: hindrances(director),
  };
}

function headTick(status: HeadStatus, was: HeadStatus | undefined, ms: number, cpu: CpuMeter): HeadTick {
  const accepted = grown(status.accepted, was?.accepted);
  const micros = was ? cpuOf(status) - cpuOf(was) : 0;
  const outcomes = Object.entries(status.outcomes).flatMap(([mode, counts]) =>
    Object.entries(counts).flatMap(([outcome, count]): [string, number][] => {
      const more = grown(count, was?.outcomes[mode]?.[outcome]);
      return more > 0 ? [[`${mode}.${outcome}`, more]] : [];
    }),
  );
  return {
    pid: status.pid,
    mode: status.mode,
    policy: status.policy,
    listen: status.listen,
    queued: sum(status.listeners.map(({ queued }) => queued)),
    backlog: sum(status.listeners.map(({ backlog }) => backlog)),
    open: status.open,
    lingering: status.lingering,
    accepted,
    outcomes: Object.fromEntries(outcomes),
    cpuShare: ms > 0 ? micros / 1000 / ms : 0,
    cpuMicros: cpu.read(status),
  };
}

const cpuOf = ({ cpu }: HeadStatus) => cpu.userMicros + cpu.systemMicros;
const grown = (now: number, before: number | undefined) =>
  before === undefined ? 0 : Math.max(0, now - before);
const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

function addedUp(all: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const total: Record<string, number> = {};
  for (const counts of all)
    for (const [name, count] of Object.entries(counts)) total[name] = (total[name] ?? 0) + count;
  return total;
}
