/**
 * What a fault may cost, by the tables of docs/handoff.md and docs/migration.md and the README, a row of this table each: which
 * visits, and how they may fail. What no row allows is a fault of Baton's. There is no share that may fail.
 */
import type { Happened } from './faults.ts';
import type { Asked, Ended, Served } from './records.ts';

export interface Visit {
  readonly asked: Asked;
  readonly ended: Ended;
  readonly served: readonly Served[];
  /** Whose its connection is, as far as anybody has said: the process that served this or another request on it. */
  readonly owner: number | undefined;
}

interface Cost {
  readonly row: string;
  readonly of: (fault: Happened) => boolean;
  readonly fails: readonly string[];
  /** `onset`: begun before the head had heard of it; `whole`: before it was mended, and TCP had caught up. Over after it began, both. */
  readonly during: 'onset' | 'whole';
  readonly whom: (visit: Visit, fault: Happened, all: readonly Happened[]) => boolean;
}

const isHead = ({ target }: Happened) => target === 'head';
const isDelivery = ({ target }: Happened) => /^[dl]\d+$/.test(target);
const isCable = ({ kind }: Happened) => kind === 'linkDown' || kind === 'linkBad';
/** The lab stops what does not end by itself in this time with SIGKILL. */
const PATIENCE_MS = 4900;
const isKill = ({ kind, from, gone }: Happened) =>
  kind === 'kill' || (kind === 'stop' && gone !== undefined && gone - from >= PATIENCE_MS);
const isUnserved = ({ served }: Visit) => served.length === 0;
const isNobodys = (visit: Visit) => isUnserved(visit) && visit.owner === undefined;
const isRedirected = ({ ended }: Visit) => ended.hops.length > 0;

/** Of Node's servers; and the longest pause of a client before it asks again. */
const KEPT_ALIVE_MS = 5000;
const PAUSE_MAX_MS = 600;
const BROKEN_OFF = ['reset', 'closed_early'];
const STALL_TIMEOUT_MS = 2000;
/** So long that a head and a remote delivery may give each other up (questions are under way for a part of the timeout). */
const isSilence = ({ kind, target, from, mended }: Happened) =>
  ((kind === 'linkDown' && target !== 'client') || (kind === 'freeze' && /^(head|d\d+)$/.test(target))) &&
  mended - from > STALL_TIMEOUT_MS / 2;

const costs: readonly Cost[] = [
  {
    row: 'handoff.md: it dies after taken; migration.md: its process ends after commit',
    of: (fault) => isDelivery(fault) && isKill(fault),
    fails: BROKEN_OFF,
    during: 'onset',
    whom: ({ owner }, { pid }) => owner === undefined || owner === pid,
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
    whom: (visit, { pid }) =>
      visit.asked.turn > 0 && isUnserved(visit) && !visit.ended.begun && visit.owner === pid,
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
    of: (fault) => isHead(fault) && isKill(fault),
    fails: BROKEN_OFF,
    during: 'onset',
    whom: isNobodys,
  },
  {
    row: 'handoff.md, One head after another: until the next one listens nobody does',
    of: (fault) => isHead(fault) && (fault.kind === 'kill' || fault.kind === 'stop'),
    fails: ['refused'],
    during: 'onset',
    whom: isNobodys,
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
    of: (fault) => isHead(fault) && fault.kind === 'stop',
    fails: BROKEN_OFF,
    during: 'onset',
    whom: (visit, fault, all) => isNobodys(visit) && hearsLate(fault, all),
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
    of: isCable,
    fails: BROKEN_OFF,
    during: 'whole',
    whom: ({ asked, ended, served }) =>
      asked.turn > 0 &&
      served.length === 0 &&
      !ended.begun &&
      ended.to - asked.from > KEPT_ALIVE_MS - PAUSE_MAX_MS,
  },
  {
    row: 'RFC 9293: a reset that is lost on the way is not sent again to who says nothing more',
    of: isKill,
    fails: ['timeout'],
    during: 'onset',
    whom: ({ owner }, fault, all) => hearsLate(fault, all) && (owner === undefined || owner === fault.pid),
  },
];

/** Never allowed, whatever happened: the words of visitors-main.ts. */
const never = ['answer_of_another', 'heard_otherwise', 'wrong_length', 'bad_answer'];

/** Clocks are the same; what is written down a moment after it happened is not. */
const SLACK_MS = 150;
/** TCP asks again after a second, and doubles. */
const RETRANSMITTED_MS = 4000;

/** The row that allows it. */
export function allowedBy(
  visit: Visit,
  happened: readonly Happened[],
  deliveries: readonly string[],
): string | undefined {
  const { asked, ended } = visit;
  if (never.includes(ended.result)) return undefined;
  for (const { row, of, fails, during, whom } of costs) {
    if (!fails.includes(ended.result)) continue;
    const fault = happened.find((each) => {
      if (!of(each)) return false;
      const end =
        during === 'onset' ? heardBy(each, happened) : each.mended + (isCable(each) ? RETRANSMITTED_MS : 0);
      return overlaps(asked.connected, ended.to, each.from, end) && whom(visit, each, happened);
    });
    if (fault) return `${row} (${fault.kind} of ${fault.target})`;
  }
  if (ended.result !== 'status_503') return undefined;
  if (nobodyCould(asked.from, ended.to, happened, deliveries))
    return 'README: 503 when no delivery can take it';
  if (isBrief(asked.connected, ended.to, happened))
    return 'handoff.md, One head after another: one that is told to stop at once has no delivery yet';
  return undefined;
}

const overlaps = (from: number, to: number, start: number, end: number) =>
  from <= end + SLACK_MS && to >= start - SLACK_MS;

/** On cables that were bad then, or so shortly before that TCP had not caught up. */
const onBadCables = (fault: Happened, all: readonly Happened[]) =>
  all.filter(
    (other) =>
      isCable(other) && overlaps(fault.from, fault.begun, other.from, other.mended + RETRANSMITTED_MS),
  );
const hearsLate = (fault: Happened, all: readonly Happened[]) => onBadCables(fault, all).length > 0;

/**
 * Until when connections may still be given to who has ended: a head that is frozen does not hear of it, nor one to which the
 * cables are bad.
 */
function heardBy(fault: Happened, all: readonly Happened[]): number {
  const frozen = all.filter(
    (other) =>
      isHead(other) && other.kind === 'freeze' && overlaps(fault.from, fault.begun, other.from, other.mended),
  );
  const isRemote = fault.target.startsWith('d');
  const between = onBadCables(fault, all).filter(
    ({ target }) => isRemote && (target === 'head' || target === fault.target),
  );
  return Math.max(
    fault.begun,
    ...frozen.map(({ mended }) => mended),
    ...between.map(({ mended }) => mended + RETRANSMITTED_MS),
  );
}

/** A head was told to stop before deliveries can have come to it. */
const isBrief = (from: number, to: number, happened: readonly Happened[]) =>
  happened.some(
    (stop) =>
      isHead(stop) &&
      stop.kind === 'stop' &&
      overlaps(from, to, stop.from, stop.begun) &&
      happened.some(
        (start) =>
          start !== stop &&
          isHead(start) &&
          stop.from >= start.begun &&
          stop.from - start.begun < BACK_AFTER_MS,
      ),
  );

/** Until it has registered again. */
const BACK_AFTER_MS = 2000;

/** Each delivery was away at some moment of the visit's life. */
function nobodyCould(
  from: number,
  to: number,
  happened: readonly Happened[],
  deliveries: readonly string[],
): boolean {
  const away = happened.filter(
    (fault) =>
      fault.kind !== 'mode' &&
      fault.kind !== 'cookiesFailed' &&
      overlaps(from, to, fault.from, fault.mended + BACK_AFTER_MS),
  );
  // Nobody hears a remote delivery when the head's cable is down.
  const isCut = away.some(({ kind, target }) => kind.startsWith('link') && target === 'head');
  return deliveries.every(
    (name) => away.some(({ target }) => target === name) || (isCut && name.startsWith('d')),
  );
}
