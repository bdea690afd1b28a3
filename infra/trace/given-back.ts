/** Holds what deliveries give back against docs/model/move.pml: the head has it from *moved* on, and until then the one who gave it. */
import type { Fates } from './fates.ts';
import type { Connection, Lane, Offer } from './local-states.ts';
import type { Step } from './steps.ts';

/** What of it is not allowed; the connection as it is from then on. */
export interface Regained {
  readonly connection: Connection;
  readonly problem: string | undefined;
}

/** `before`: as it was at the head that has handed it over last. */
export function regain({ subject, thread }: Step, before: Connection | undefined, fates: Fates): Regained {
  const connection: Connection = {
    name: subject,
    ends: before?.ends ?? '-',
    owner: thread,
    state: 'TO_PLACE',
  };
  if (!before) return { connection, problem: 'nobody has accepted it' };
  const { offer, owner, state } = before;
  const isOver = state === 'CLOSED' || fates.of(owner) === 'killed';
  if (!isOver || !offer) return { connection, problem: `the head's is ${state}` };
  const problem = whyNotGiven(offer, fates);
  offer.isMoved = true;
  return { connection, problem };
}

/** Of what a delivery of another host had: its copy here is a connection of its own. */
export const restored = ({ subject: name, thread: owner }: Step, ends: string): Regained => ({
  connection: { name, ends, owner, state: 'TO_PLACE' },
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
  if (fates.of(owner) === 'killed') return undefined;
  // By any worker of its head, or of the one that the delivery has after it.
  const isNext = () =>
    [...lanes].some(({ head, delivery }) => head.pid === thread.pid && delivery === offer.lane.delivery);
  if (thread.pid !== owner.pid && !(state === 'CLOSED' && isNext())) return `it is with ${owner.name}`;
  return state === 'CLOSED' ? whyNotGiven(offer, fates) : `the head's is ${state}`;
}

/** Its application may have closed what was given. */
function whyNotGiven({ at, lane: { delivery } }: Offer, fates: Fates): string | undefined {
  if (at === 'GIVEN' || at === 'FINISHED' || !delivery || fates.of(delivery) === 'killed') return undefined;
  return `${delivery.name} has not given it: there it is ${at}`;
}
