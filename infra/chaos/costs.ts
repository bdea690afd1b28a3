/**
 * What a fault may cost, by the tables of docs/handoff.md, migration.md, moving.md and upgrade.md and the README, a row of this
 * table each: which visits, and how they may fail. What no row allows is a fault of Baton's. There is no share that may fail.
 */
import {
  goesByRequest,
  heardBy,
  hearsLate,
  isBrief,
  isCable,
  isDelivery,
  isHeadLost,
  isHeadStopped,
  isKill,
  isSilence,
  mayHaveMoved,
  nobodyCould,
  overlaps,
  RETRANSMITTED_MS,
  wasAt,
} from './circumstances.ts';
import type { Happened, Sighting } from './happened.ts';
import { PAUSE_MAX_MS } from './plans.ts';
import { type Asked, type Ended, isLocal, type Served } from './records.ts';

export interface Visit {
  readonly asked: Asked;
  readonly ended: Ended;
  readonly served: readonly Served[];
  /** Who served this, or the request before it on its connection, as far as anybody has said. */
  readonly owner: Served | undefined;
  /** When the request before it on its connection had its answer. */
  readonly restsSince: number | undefined;
  /** Each request goes to whom it is for. */
  readonly byRequest: boolean;
}

interface Cost {
  readonly row: string;
  readonly of: (fault: Happened, all: readonly Happened[]) => boolean;
  readonly fails: readonly string[];
  /** `onset`: begun before the head had heard of it; `whole`: before it was mended, and TCP had caught up. Over after it began, both. */
  readonly during: 'onset' | 'whole';
  readonly whom: (visit: Visit, fault: Happened, all: readonly Happened[]) => boolean;
}

const isUnserved = ({ served }: Visit) => served.length === 0;
const isNobodys = (visit: Visit) => isUnserved(visit) && visit.owner === undefined;
const isRedirected = ({ ended }: Visit) => ended.hops.length > 0;
/** It may have been given back by the one that had it, and be another's by now, or the head's. */
const mayBeOnItsWay = (visit: Visit, all: readonly Happened[]) =>
  goesByItself(visit) || mayBeGivenBack(visit, all);
const mayBeGivenBack = ({ asked, owner, ended }: Visit, all: readonly Happened[]) =>
  owner !== undefined && !asked.stays && mayHaveMoved(owner, ended.to, all);
/** To whom the request is for. */
const goesByItself = ({ byRequest, asked, owner }: Visit) =>
  byRequest && owner !== undefined && goesByRequest(asked, owner);
const mayBeAt = (visit: Visit, { pid, target }: Happened, all: readonly Happened[]) =>
  visit.owner === undefined ||
  visit.owner.pid === pid ||
  (isUnserved(visit) && ((goesByItself(visit) && isLocal(target)) || mayBeGivenBack(visit, all)));

/** Of Node's servers. */
const KEPT_ALIVE_MS = 5000;
/** Of a head of chaos's, as by default: for the head of a request. */
const HEAD_TIMEOUT_MS = 10_000;
/** What the lab tells its two heads. */
const HOLD_UNKNOWN_MS = 3000;
/** A head's hold outlives it by so much (head/migrate/standing.ts). */
const DEAD_HOLDS_MS = 10_000;
/** By which timers of two processes differ. */
const TIMER_MS = 100;
const BROKEN_OFF = ['reset', 'closed_early'];

/** For so long since it served the request before that a server may close it. */
const hasRested = (
  asked: Asked,
  ended: Ended,
  served: readonly Served[],
  owner: Served | undefined,
): boolean =>
  asked.turn > 0 &&
  served.length === 0 &&
  !ended.begun &&
  ended.to - (owner?.at ?? asked.connected) > KEPT_ALIVE_MS - TIMER_MS;

/** Its client's process stood still, on a machine that others wanted. */
const wasLate = ({ asked, ended, served, owner, restsSince }: Visit): boolean =>
  restsSince !== undefined &&
  asked.from - restsSince > PAUSE_MAX_MS + LATE_MS &&
  hasRested(asked, ended, served, owner);
/** More than timers are late by on one that is free. */
const LATE_MS = 500;

const costs: readonly Cost[] = [
  {
    row: 'handoff.md: it dies after taken; migration.md: its process ends after commit',
    of: (fault) => isDelivery(fault) && isKill(fault),
    fails: BROKEN_OFF,
    during: 'onset',
    whom: mayBeAt,
  },
  {
    row: 'README: 307, at a delivery that is up: it was, when the client was told',
    of: (fault) => isDelivery(fault) && (fault.kind === 'kill' || fault.kind === 'stop'),
    fails: ['refused', ...BROKEN_OFF],
    during: 'onset',
    whom: (visit, fault, all) =>
      isRedirected(visit) && isUnserved(visit) && (isKill(fault) || hearsLate(fault, all)),
  },
  {
    row: 'handoff.md, How a delivery leaves, 3: between two requests its connection is closed after 250 ms',
    of: (fault) => isDelivery(fault) && fault.kind === 'stop',
    fails: BROKEN_OFF,
    during: 'onset',
    whom: (visit, fault, all) =>
      visit.asked.turn > 0 && isUnserved(visit) && !visit.ended.begun && mayBeAt(visit, fault, all),
  },
  {
    row: 'migration.md: it is dropped, or cannot be heard, after commit and before live',
    of: isSilence,
    fails: ['reset'],
    during: 'whole',
    whom: isNobodys,
  },
  {
    row: 'handoff.md and migration.md: the head is killed: what it had accepted and neither answered nor handed over',
    of: isHeadLost,
    fails: BROKEN_OFF,
    during: 'onset',
    whom: isNobodys,
  },
  {
    row: 'moving.md: the head dies after moved',
    of: isHeadLost,
    fails: BROKEN_OFF,
    during: 'onset',
    whom: (visit, _, all) => isUnserved(visit) && mayBeOnItsWay(visit, all),
  },
  {
    row: 'upgrade.md: the predecessor dies: what it had accepted and had not passed on',
    of: ({ kind, cut }) => kind === 'upgradeCut' && cut?.who === 'predecessor' && !cut.gently,
    fails: BROKEN_OFF,
    during: 'onset',
    whom: (visit, _, all) => isNobodys(visit) || (isUnserved(visit) && mayBeOnItsWay(visit, all)),
  },
  {
    row: 'failover.md, What is lost: what a head has whose address has gone, and what is with deliveries of its host; told with its next packet',
    of: ({ kind }) => kind === 'addressMoved',
    fails: [...BROKEN_OFF, 'timeout'],
    during: 'whole',
    whom: (visit, _, all) =>
      isNobodys(visit) || visit.owner?.name[0] === 'l' || (isUnserved(visit) && mayBeOnItsWay(visit, all)),
  },
  {
    row: 'failover.md: what the head before hands over later than the other one holds what it does not know, because it stood still',
    of: ({ kind }) => kind === 'addressMoved',
    fails: ['reset'],
    during: 'whole',
    whom: ({ asked, served }, { from, mended }) =>
      asked.turn === 0 && asked.connected <= mended && served.every(({ at }) => at > from + HOLD_UNKNOWN_MS),
  },
  {
    row: 'failover.md: the address comes to a head that is dead for longer than it holds what it has not heard of',
    of: (fault) => /^head2?$/.test(fault.target) && (isKill(fault) || fault.kind === 'stop'),
    fails: ['reset'],
    during: 'whole',
    whom: ({ ended }, { target, from, mended }, all) =>
      all.some(
        (move) =>
          move.kind === 'addressMoved' &&
          move.target === target &&
          move.mended - from > DEAD_HOLDS_MS &&
          move.mended <= mended &&
          ended.to >= move.mended,
      ),
  },
  {
    row: 'failover.md: the rest of a request goes to the other head, and the address comes back before the client has sent it again',
    of: ({ kind }) => kind === 'addressMoved',
    fails: ['status_408'],
    during: 'whole',
    whom: (visit) => isNobodys(visit) && visit.ended.to - visit.asked.connected > HEAD_TIMEOUT_MS - TIMER_MS,
  },
  {
    row: 'handoff.md, One head after another, and failover.md: until the next one listens, or the other one has the address, nobody does',
    of: (fault, all) => isHeadLost(fault, all) || isHeadStopped(fault, all),
    fails: ['refused'],
    during: 'whole',
    whom: (visit, { target, from, mended }, all) =>
      isNobodys(visit) &&
      wasAt(target, Math.max(from, visit.asked.connected), Math.min(mended, visit.ended.to), all),
  },
  {
    row: 'README, Limits: of a crowd that no accept queue holds the kernel resets some, by its SYN cookies',
    of: ({ kind }) => kind === 'cookiesFailed',
    fails: ['reset'],
    during: 'whole',
    whom: (visit) => isNobodys(visit) && visit.asked.turn === 0,
  },
  {
    row: 'README, Limits: on SIGTERM a client that has not sent a byte for a second is closed',
    of: isHeadStopped,
    fails: BROKEN_OFF,
    during: 'onset',
    whom: (visit, fault, all) => isNobodys(visit) && hearsLate(fault, all),
  },
  {
    row: 'README, Limits: on SIGTERM who has sent half a request head gets 408, in the modes that answer',
    of: isHeadStopped,
    fails: ['status_408'],
    during: 'onset',
    whom: (visit, _, all) =>
      isNobodys(visit) &&
      all.some(
        ({ kind, target, from, mended }) =>
          kind === 'mode' &&
          target !== 'handoff' &&
          overlaps(visit.asked.connected, visit.asked.connected, from, mended),
      ),
  },
  {
    row: 'handoff.md: it cannot open the fds: clients are told its direct address, where Node closes what it cannot open',
    of: (fault) => isDelivery(fault) && fault.kind === 'fewFiles',
    fails: BROKEN_OFF,
    during: 'whole',
    whom: (visit) => isRedirected(visit) && isUnserved(visit),
  },
  {
    row: 'Node: a server waits 5 s for the next request (keepAliveTimeout), and this one did not reach it',
    of: (fault) => isCable(fault) || fault.kind === 'freeze',
    fails: BROKEN_OFF,
    during: 'whole',
    whom: ({ asked, ended, served, owner }, fault) =>
      (isCable(fault) || fault.pid === owner?.pid || fault.target === asked.connection.split('-')[0]) &&
      hasRested(asked, ended, served, owner) &&
      fault.mended >= (owner?.at ?? asked.connected),
  },
  {
    row: 'RFC 9293: a reset that is lost on the way is not sent again to who says nothing more',
    of: isKill,
    fails: ['timeout'],
    during: 'onset',
    whom: (visit, fault, all) => hearsLate(fault, all) && mayBeAt(visit, fault, all),
  },
];

/** Never allowed, whatever happened: the words of visitors-main.ts. */
const never = ['answer_of_another', 'heard_otherwise', 'wrong_length', 'bad_answer'];

/** The row that allows it. */
export function allowedBy(
  visit: Visit,
  happened: readonly Happened[],
  known: { readonly deliveries: readonly string[]; readonly sightings: readonly Sighting[] },
): string | undefined {
  const { asked, ended } = visit;
  if (never.includes(ended.result)) return undefined;
  for (const { row, of, fails, during, whom } of costs) {
    if (!fails.includes(ended.result)) continue;
    const fault = happened.find((each) => {
      if (!of(each, happened)) return false;
      const end =
        during === 'onset' ? heardBy(each, happened) : each.mended + (isCable(each) ? RETRANSMITTED_MS : 0);
      return overlaps(asked.connected, ended.to, each.from, end) && whom(visit, each, happened);
    });
    if (fault) return `${row} (${fault.kind} of ${fault.target})`;
  }
  if (BROKEN_OFF.includes(ended.result) && wasLate(visit))
    return 'Node: a server waits 5 s for the next request (keepAliveTimeout), and its client was late by itself';
  if (ended.result !== 'status_503') return undefined;
  if (nobodyCould(asked.from, ended.to, happened, known)) return 'README: 503 when no delivery can take it';
  if (isBrief(asked.connected, ended.to, happened, known.sightings))
    return 'handoff.md, One head after another: one that is told to stop at once has no delivery yet';
  return undefined;
}
