/** What the registry knows of a delivery, and how `baton status` shows it. */
import type { DeliveryState, DeliveryStatus } from '../shared/status.ts';
import { trace } from '../shared/trace.ts';
import type { Introduction } from '../shared/wire/control.ts';
import { Liveness } from './liveness.ts';
import type { Left, Registrant } from './registrant.ts';
import type { RegistryTimes } from './rounds.ts';
import type { PerDelivery, Scoreboard, WorkerCounters } from './scoreboard.ts';

export interface RegisteredDelivery {
  readonly slot: number;
  readonly registrant: Registrant;
  readonly introduction: Introduction;
  state: DeliveryState;
  /** Before its welcome its place is kept for it; it may go before. */
  admission: 'expected' | 'begun' | 'dropped';
  /** It said itself that it is draining, which cannot be undone. */
  leaving: boolean;
  readonly liveness: Liveness;
  lastHeard: number;
  /** It gives back what can move, and what it still has; undefined while nobody wants it to. */
  left?: Left | undefined;
  /** When it went, while it is down; milliseconds of performance.now(). */
  downSince: number;
  /** Workers that have not answered the last `join`, `leave` or `quiesce` yet. */
  awaited: number;
  /** Connections that it had not taken and that others were given, as workers have told so far. */
  moved: number;
  whenSettled: (() => void)[];
}

/** It is welcome when `workers` have answered their `join`. */
export const createDelivery = (
  slot: number,
  registrant: Registrant,
  workers: number,
  times: RegistryTimes,
): RegisteredDelivery => ({
  slot,
  registrant,
  introduction: registrant.introduction,
  state: 'down',
  admission: 'expected',
  leaving: false,
  liveness: new Liveness(registrant.process, times, performance.now()),
  lastHeard: performance.now(),
  // Until it is welcome it has no place to be forgotten in.
  downSince: Number.POSITIVE_INFINITY,
  awaited: workers,
  moved: 0,
  whenSettled: [],
});

/** Said before anything is done with it: workers open their lanes to one of this host when they come to know it. */
export const traceMember = ({ slot, registrant, introduction: { credits } }: RegisteredDelivery): void =>
  trace?.say(`s${slot}`, 'member', registrant.process, credits, registrant.active, registrant.transport);

/** No worker has anything of it any more. */
export function traceVacated({ slot, admission }: RegisteredDelivery, scoreboard: Scoreboard): void {
  if (admission === 'begun') trace?.say(`s${slot}`, 'vacated', scoreboard.inUse(slot));
}

/** All workers' counts for the delivery in a slot. */
export const sumFor = (rows: readonly WorkerCounters[], slot: number, name: PerDelivery): number =>
  rows.reduce((sum, row) => sum + row.getFor(slot, name), 0);

/** One of another host says so, where it restores none. */
const windowsOf = (introduction: Introduction): Pick<DeliveryStatus, 'beginsAnew'> =>
  'resumes' in introduction && typeof introduction.resumes === 'string'
    ? { beginsAnew: introduction.resumes }
    : {};

export function statusOf(
  { slot, state, introduction, left, registrant: { transport, distribute } }: RegisteredDelivery,
  rows: readonly WorkerCounters[],
  scoreboard: Scoreboard,
): DeliveryStatus {
  const { name, pid, direct, directTls, weight, credits, serves } = introduction;
  return {
    name,
    pid,
    state,
    transport,
    direct: directTls === 'only' ? `https://${direct}` : direct,
    serves: serves ?? null,
    weight,
    credits,
    inUse: state === 'down' ? 0 : scoreboard.inUse(slot),
    untaken: sumFor(rows, slot, 'untaken'),
    taken: sumFor(rows, slot, 'taken'),
    returned: sumFor(rows, slot, 'returned'),
    redirected: sumFor(rows, slot, 'redirected'),
    created: sumFor(rows, slot, 'created'),
    left: left ?? null,
    looks: distribute !== undefined,
    ...windowsOf(introduction),
  };
}
