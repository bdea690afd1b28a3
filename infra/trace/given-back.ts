/**
 * Holds what deliveries give back, or ask about, against docs/model/move.pml and requests.pml: the head has it from *moved* on, and until
 * then the one who gave it.
 */
import type { Fates } from './fates.ts';
import { type Connection, isHeld, type Lane, type Offer } from './local-states.ts';
import type { Step } from './steps.ts';

/** What of it is not allowed; the connection as it is from then on. */
export interface Regained {
  readonly connection: Connection;
  readonly problem: string | undefined;
}

/** `before`: as it was at the head that has handed it over last. */
export function regain(
  { subject, thread, details }: Step,
  before: Connection | undefined,
  fates: Fates,
): Regained {
  const connection: Connection = {
    name: subject,
    ends: before?.ends ?? '-',
    owner: thread,
    state: 'TO_PLACE',
    from: details[0],
  };
  if (!before) return { connection, problem: 'nobody has accepted it' };
  const { offer, owner, state } = before;
  const isOver = state === 'CLOSED' || fates.of(owner) === 'killed';
  if (!isOver || !offer) return { connection, problem: `the head's is ${state}` };
  const problem = whyNotGiven(offer, fates);
  offer.isMoved = true;
  offer.isDecided = true;
  return { connection, problem };
}

/** Of what a delivery of another host had: its copy here is a connection of its own. */
export const restored = ({ subject: name, thread: owner, details }: Step, ends: string): Regained => ({
  connection: { name, ends, owner, state: 'TO_PLACE', from: details[0] },
  problem: undefined,
});

/** `lanes`: of all heads so far. */
export function decline(
  { thread }: Step,
  before: Connection | undefined,
  lanes: Iterable<Lane>,
  fates: Fates,
): string | undefined {
  if (!before?.offer) return 'no delivery has it';
  const { owner, state, offer } = before;
  offer.isDecided = true;
  if (fates.of(owner) === 'killed') return undefined;
  // By any worker of its head, or of the one that the delivery has after it.
  const isNext = () =>
    [...lanes].some(({ head, delivery }) => head.pid === thread.pid && delivery === offer.lane.delivery);
  if (thread.pid !== owner.pid && !(state === 'CLOSED' && isNext())) return `it is with ${owner.name}`;
  return state === 'CLOSED' ? whyNotGiven(offer, fates) : `the head's is ${state}`;
}

/** Its application may have closed what was given. */
function whyNotGiven(offer: Offer, fates: Fates): string | undefined {
  const { at } = offer;
  const { delivery } = offer.lane;
  if (isHeld(offer) || at === 'FINISHED' || !delivery || fates.of(delivery) === 'killed') return undefined;
  return `${delivery.name} has not given it: there it is ${at}`;
}

/** To the slot `to` of its head: not where it came from, unless another was to have it first. */
export function leaves(connection: Connection, to: string): string | undefined {
  const { from } = connection;
  connection.from = undefined;
  return from === to ? `it was given back from slot ${to}` : undefined;
}

/** What nobody will say a word about any more, when nothing moves: it was decided, or its head is gone. */
export function withoutWord({ head, offers }: Lane, fates: Fates): string[] {
  const isGone = fates.of(head) !== 'running';
  return [...offers]
    .filter(([, offer]) => isHeld(offer) && (isGone || offer.isDecided))
    .map(([number, { at }]) => `${number} is ${at} for ever`);
}
