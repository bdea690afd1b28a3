/** The states of docs/model/handoff.pml that a trace goes through, and which step leads from which to which. */
import type { Transition } from '../../shared/trace.ts';
import type { Thread } from './steps.ts';

/** At the head: `on` and `outcome` of the model, and what its unnamed moments are. */
export type AtHead =
  /** TO_PLACE: also while it waits for a delivery (postponed). */
  | 'TO_PLACE'
  /** On a lane, untaken. */
  | 'OFFERED'
  | 'MOVING'
  | 'TERMINATED'
  /** Its outcomes. */
  | 'TAKEN_BY_ONE'
  | 'MOVED'
  | 'FALLBACK'
  | 'FAILED'
  /** To a successor. */
  | 'PASSED'
  | 'CLOSED';

export const headSteps: Readonly<
  Partial<Record<Transition, readonly [from: readonly AtHead[], to: AtHead]>>
> = {
  offer: [['TO_PLACE'], 'OFFERED'],
  hearTaken: [['OFFERED'], 'TAKEN_BY_ONE'],
  hearReturned: [['OFFERED'], 'TO_PLACE'],
  takeBack: [['OFFERED'], 'TO_PLACE'],
  move: [['TO_PLACE'], 'MOVING'],
  moved: [['MOVING'], 'MOVED'],
  kept: [['MOVING'], 'TO_PLACE'],
  postpone: [['TO_PLACE'], 'TO_PLACE'],
  terminate: [['TO_PLACE'], 'TERMINATED'],
  answer: [['TO_PLACE', 'TERMINATED'], 'FALLBACK'],
  fail: [['TO_PLACE', 'TERMINATED'], 'FAILED'],
  pass: [['TO_PLACE', 'FALLBACK', 'FAILED'], 'PASSED'],
  close: [['TAKEN_BY_ONE', 'MOVED', 'FALLBACK', 'FAILED', 'PASSED'], 'CLOSED'],
};

/**
 * At a delivery: of `copy`, `serves` and `speaker`; OFFERED also while it is on its way, or in its hands untaken. Of
 * docs/model/requests.pml ASKED is `held`, as GIVEN is, and whatever is read is read while it is SERVED.
 */
type AtDelivery = 'OFFERED' | 'TAKEN' | 'SERVED' | 'GIVEN' | 'ASKED' | 'FINISHED' | 'RETURNED' | 'DROPPED';

const SERVED: readonly [readonly AtDelivery[]] = [['SERVED']];
/** Those without a `to` leave it where it is. */
const deliverySteps: Readonly<
  Partial<Record<Transition, readonly [from: readonly AtDelivery[], to?: AtDelivery]>>
> = {
  take: [['OFFERED'], 'TAKEN'],
  drop: [['OFFERED'], 'DROPPED'],
  return: [['OFFERED'], 'RETURNED'],
  serve: [['TAKEN'], 'SERVED'],
  give: [['SERVED'], 'GIVEN'],
  ask: [['SERVED'], 'ASKED'],
  stay: [['GIVEN', 'ASKED'], 'SERVED'],
  finish: [['TAKEN', 'SERVED', 'GIVEN', 'ASKED'], 'FINISHED'],
  told: [['GIVEN', 'ASKED']],
  ...{ watch: SERVED, leaveToServer: SERVED, unwatch: SERVED },
  ...{ read: SERVED, wait: SERVED, request: SERVED, response: SERVED },
};

export interface Connection {
  readonly name: string;
  readonly ends: string;
  readonly owner: Thread;
  state: AtHead;
  /** It has left this head for a successor, which may have it already or still have to find it in what it was sent. */
  isPassed?: true;
  /** Where it is on a lane, or was last. */
  offer?: Offer;
  /** Who has given it back, until it is offered: a slot of the head's. */
  from?: string | undefined;
}

export interface Offer {
  readonly lane: Lane;
  readonly connection: Connection;
  at: AtDelivery;
  /** The head has heard what became of it, or has taken it back. */
  isSettled: boolean;
  /** It was given back, or asked about, and the head has it since. */
  isMoved?: true;
  /** The head has said what becomes of what was given or asked about. */
  isDecided?: boolean;
}

export interface Lane {
  readonly name: string;
  readonly head: Thread;
  readonly slot: string;
  /** Who has it at its other end; undefined while nobody does, or somebody who writes no trace. */
  delivery?: Thread;
  readonly offers: Map<string, Offer>;
  phase: 'open' | 'shutdown' | 'emptied';
  hasLeft: boolean;
  taken: number;
  finished: number;
  saidEnded: number;
  heardEnded: number;
}

export const isHeld = ({ at }: Offer): boolean => at === 'GIVEN' || at === 'ASKED';
export const hasSpoken = (offer: Offer): boolean =>
  offer.at === 'TAKEN' || offer.at === 'SERVED' || offer.at === 'FINISHED' || isHeld(offer);

/** What of it is not allowed. */
export function advance(offer: Offer, transition: Transition): string | undefined {
  const [from, to] = deliverySteps[transition]!;
  if (!from.includes(offer.at)) return `the delivery's is ${offer.at}`;
  if (transition === 'stay' && offer.isMoved) return 'it was moved';
  if (to) offer.at = to;
  if (transition === 'give' || transition === 'ask') offer.isDecided = false;
  return undefined;
}

/** What was said of it in time has been heard. */
export function endOf({ phase, offers, saidEnded, heardEnded }: Lane): string[] {
  if (phase !== 'emptied') return [`its head has ended, and it is ${phase}`];
  const problems: string[] = [];
  for (const [number, offer] of offers) {
    if (!offer.isSettled) problems.push(`${number} was never settled`);
  }
  if (saidEnded > heardEnded)
    problems.push(`${saidEnded} have ended, and the head has heard of ${heardEnded}`);
  return problems;
}
