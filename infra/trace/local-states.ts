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

/** At a delivery: of `copy`, `serves` and `speaker`; OFFERED also while it is on its way, or in its hands untaken. */
type AtDelivery = 'OFFERED' | 'TAKEN' | 'SERVED' | 'GIVEN' | 'FINISHED' | 'RETURNED' | 'DROPPED';

const deliverySteps: Readonly<
  Partial<Record<Transition, readonly [from: readonly AtDelivery[], to: AtDelivery]>>
> = {
  take: [['OFFERED'], 'TAKEN'],
  drop: [['OFFERED'], 'DROPPED'],
  return: [['OFFERED'], 'RETURNED'],
  serve: [['TAKEN'], 'SERVED'],
  give: [['SERVED'], 'GIVEN'],
  stay: [['GIVEN'], 'SERVED'],
  finish: [['TAKEN', 'SERVED', 'GIVEN'], 'FINISHED'],
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
}

export interface Offer {
  readonly lane: Lane;
  readonly connection: Connection;
  at: AtDelivery;
  /** The head has heard what became of it, or has taken it back. */
  isSettled: boolean;
  /** It was given back, and the head has it since. */
  isMoved?: true;
}

export interface Lane {
  readonly name: string;
  readonly head: Thread;
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

export const hasSpoken = ({ at }: Offer): boolean =>
  at === 'TAKEN' || at === 'SERVED' || at === 'GIVEN' || at === 'FINISHED';

/** What of it is not allowed. */
export function advance(offer: Offer, transition: Transition): string | undefined {
  const [from, to] = deliverySteps[transition]!;
  if (!from.includes(offer.at)) return `the delivery's is ${offer.at}`;
  if (transition === 'stay' && offer.isMoved) return 'it was moved';
  offer.at = to;
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
