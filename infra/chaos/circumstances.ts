/** What follows from what has happened, for the table of costs: who could hear whom, and who may have had a connection when. */
import type { Happened, Sighting } from './happened.ts';
import { UPGRADED } from './plans.ts';
import { type Asked, isLocal, type Served } from './records.ts';

const isHead = ({ target }: Happened): boolean => /^head2?$/.test(target);
export const isDelivery = ({ target }: Happened): boolean => /^[dl]\d+$/.test(target);
/** Of a host that has lost its power, too. */
export const isCable = ({ kind }: Happened): boolean =>
  kind === 'linkDown' || kind === 'linkBad' || kind === 'cablePulled' || kind === 'hostLost';

/** The lab stops what does not end by itself in this time with SIGKILL. */
const PATIENCE_MS = 4900;
export const isKill = ({ kind, from, gone }: Happened): boolean =>
  kind === 'kill' ||
  kind === 'hostLost' ||
  (kind === 'stop' && gone !== undefined && gone - from >= PATIENCE_MS);

/** A head was killed, and nobody stood in for it. One without the address has nobody to lose, nor to refuse. */
export const isHeadLost = (fault: Happened, all: readonly Happened[]): boolean =>
  isHead(fault) &&
  (isKill(fault) || (fault.kind === 'upgradeCut' && fault.outcome === 'lost' && !fault.cut?.gently)) &&
  wasAt(fault.target, fault.from, fault.mended, all);

/** A head was told to stop: it, or its successor that had just become one, or both in the middle of a take-over. */
export const isHeadStopped = (fault: Happened, all: readonly Happened[]): boolean =>
  isHead(fault) &&
  (fault.kind === 'stop' || isCutGently(fault)) &&
  wasAt(fault.target, fault.from, fault.mended, all);

const isCutGently = ({ kind, outcome, cut }: Happened): boolean =>
  kind === 'upgradeCut' && outcome === 'lost' && cut?.gently === true;

/** Until when nobody acted as the head, or might not have: it stands still. */
const isHeadStill = (fault: Happened): boolean =>
  isHead(fault) && (fault.kind === 'freeze' || fault.kind === 'upgrade' || fault.kind === 'upgradeCut');

const STALL_TIMEOUT_MS = 2000;
/** So long that a head and a remote delivery may give each other up (questions are under way for a part of the timeout). */
export const isSilence = ({ kind, target, from, mended }: Happened): boolean =>
  ((['linkDown', 'cablePulled', 'hostLost'].includes(kind) && target !== 'client') ||
    (kind === 'freeze' && /^(head2?|d\d+)$/.test(target))) &&
  mended - from > STALL_TIMEOUT_MS / 2;

/** What is written down a moment after it happened. */
const SLACK_MS = 150;
/** TCP asks again after a second, and doubles. */
export const RETRANSMITTED_MS = 4000;

export const overlaps = (from: number, to: number, start: number, end: number): boolean =>
  from <= end + SLACK_MS && to >= start - SLACK_MS;

/** On cables that were bad then, or so shortly before that TCP had not caught up. */
const onBadCables = (fault: Happened, all: readonly Happened[]) =>
  all.filter(
    (other) =>
      isCable(other) && overlaps(fault.from, fault.begun, other.from, other.mended + RETRANSMITTED_MS),
  );
export const hearsLate = (fault: Happened, all: readonly Happened[]): boolean =>
  onBadCables(fault, all).length > 0;

/**
 * Until when connections may still be given to who has ended: a head that stands still does not hear of it, nor one to which
 * the cables are bad.
 */
export function heardBy(fault: Happened, all: readonly Happened[]): number {
  const still = all.filter(
    (other) => isHeadStill(other) && overlaps(fault.from, fault.begun, other.from, other.mended),
  );
  const isRemote = fault.target.startsWith('d');
  const between = onBadCables(fault, all).filter(
    (other) => isRemote && (isHead(other) || other.target === fault.target),
  );
  return Math.max(
    fault.begun,
    ...still.map(({ mended }) => mended),
    ...between.map(({ mended }) => mended + RETRANSMITTED_MS),
  );
}

/** A delivery gives its connections back: it is told to, or leaves. */
const givesBack = ({ kind, outcome }: Happened): boolean =>
  (kind === 'move' && outcome !== 'stays') || kind === 'stop';

/** The one who has served it last may have given it back by `to`. */
export const mayHaveMoved = ({ pid, at }: Served, to: number, all: readonly Happened[]): boolean =>
  all.some(
    (fault) =>
      fault.pid === pid &&
      isDelivery(fault) &&
      givesBack(fault) &&
      overlaps(at, to, fault.from, fault.gone ?? fault.mended),
  );

/** Where requests are distributed: from a delivery of the head's own host, and to another one there. What is upgraded has none. */
export const goesByRequest = ({ kind }: Asked, owner: Served): boolean =>
  !kind.startsWith(UPGRADED) && isLocal(owner.name);
/** When it was seen to be there for the first time from then on: by all heads that ever see it, who are not one when they are told. */
const backAt = (name: string, after: number, sightings: readonly Sighting[]): number => {
  const heads = new Set(sightings.filter(({ up }) => up.includes(name)).map(({ head }) => head));
  const seen = [...heads].map(
    (each) =>
      sightings.find(({ at, head, up }) => head === each && at >= after && up.includes(name))?.at ??
      Number.POSITIVE_INFINITY,
  );
  return seen.length === 0 ? Number.POSITIVE_INFINITY : Math.max(...seen);
};

/** A head was told to stop before deliveries had come to it. */
export const isBrief = (
  from: number,
  to: number,
  happened: readonly Happened[],
  sightings: readonly Sighting[],
): boolean =>
  happened.some(
    (stop) =>
      isHeadStopped(stop, happened) &&
      overlaps(from, to, stop.from, stop.begun) &&
      (isCutGently(stop) ||
        happened.some(
          (start) =>
            begins(start) &&
            stop.from >= start.begun &&
            start.target === stop.target &&
            !sightings.some(
              ({ at, head, up }) =>
                head === stop.target && at >= start.begun && at < stop.from && up.length > 0,
            ),
        )),
  );

/** Another process is the head from then on. */
const begins = (fault: Happened): boolean =>
  isHead(fault) && ['kill', 'stop', 'upgrade', 'upgradeCut', 'hostLost'].includes(fault.kind);

/** For the first delivery of a head, milliseconds: what the schedules' heads are told. */
const FIRST_WITHIN_MS = 10_000;

/**
 * Each delivery was away at some moment of the visit's life: by what was done to it, or because it had not come to the next head
 * yet. The latter alone is no reason: a head waits for the first one.
 */
export function nobodyCould(
  from: number,
  to: number,
  happened: readonly Happened[],
  { deliveries, sightings }: { deliveries: readonly string[]; sightings: readonly Sighting[] },
): boolean {
  const wasDuring = (fault: Happened, name: string, until: number) =>
    overlaps(from, to, fault.from, backAt(name, until, sightings));
  const isOut = (name: string) =>
    happened.some(
      (fault) =>
        !harmless.has(fault.kind) &&
        // Nobody hears a remote delivery when the head's cable is down.
        (fault.target === name || (isCable(fault) && isHead(fault) && name.startsWith('d'))) &&
        wasDuring(fault, name, fault.mended),
    );
  const isNotBack = (name: string) =>
    happened.some((fault) => begins(fault) && wasDuring(fault, name, fault.begun));
  // One of the first head's own host serves nobody who comes to the other.
  const isElsewhere = (name: string) => isLocal(name) && wasAt('head2', from, to, happened);
  return (
    deliveries.every((name) => isElsewhere(name) || isOut(name) || isNotBack(name)) &&
    (to - from >= FIRST_WITHIN_MS || deliveries.some(isOut))
  );
}

/** They keep no delivery from serving. */
const harmless: ReadonlySet<Happened['kind']> = new Set(['mode', 'cookiesFailed', 'clock', 'addressMoved']);

/** The address that two heads share was there at some moment, or may have been; the first has it at the start. */
export function wasAt(head: string, from: number, to: number, all: readonly Happened[]): boolean {
  const moves = all.filter(({ kind }) => kind === 'addressMoved').sort((a, b) => a.from - b.from);
  const before = moves.filter(({ mended }) => mended < from).at(-1);
  const during = moves.filter((move) => overlaps(from, to, move.from, move.mended));
  return (
    (before?.target ?? 'head') === head ||
    during.some(({ target, holders = [head] }) => target === head || holders.includes(head))
  );
}
