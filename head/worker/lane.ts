/** A lane: the way of connections from one worker to one delivery. fd-lane.ts leads to a local one, migrate-lane.ts to another host. */

import type { OwnLane, ToWorker } from '../worker-messages.ts';

/** What all ways from a worker to a delivery have in common. A connection on one is untaken until it is settled. */
export interface Lane {
  readonly slot: number;
  /** Untaken connections are watched for a delivery that lets them wait too long. */
  readonly isWatched: boolean;
  readonly isFull: boolean;
  /** Connections given to the lane and not settled. */
  readonly untaken: number;
  /** The fd that has waited longest to be settled; -1 when none waits. */
  readonly oldestUntaken: number;
  /** Some connections have been pushed and not sent. */
  readonly isBlocked: boolean;
  /** The delivery has not seen to all that it was sent: more would only wait behind that. */
  readonly isBusy: boolean;
  /** Puts a connection on the lane; `flush` sends it. Only when not full. `state`: to one that `takesState`. */
  push(fd: number, state?: Uint8Array): void;
  flush(): void;
  /** As `flush`, but while the delivery is busy they may wait for more (at `now`, milliseconds). */
  gather(now: number): void;
  /** To be watched for input, and then `read`; -1 where what becomes of connections comes in another way. */
  readonly watchedFd: number;
  /**
   * Reads one message of the delivery. Its kind (shared/wire/lane.ts); 0 when there was none. Throws a RangeError that says
   * what was wrong with it.
   */
  read(): number;
  /** Does what is due; the milliseconds until more is. */
  tick?(now: number): number;
  /** Of a lane to another host: this worker is to move what is on it itself, over a lane that is the delivery's. */
  own?(lane: OwnLane): void;
  /** Of such a lane: its host is reached in another way. */
  moveTo?(message: ToWorker & { type: 'hop' }): void;
  /** Whoever has taken connections from it has said that it has them; undefined: taking them is saying so. */
  readonly isConfirmed?: boolean;
  /** Somebody else has settled a connection; false where that can not be, or when it is not on this lane any more. */
  settle(fd: number): boolean;
  /** The worker stops: ends the lane unless somebody else has its connections in hand. As `close`. */
  stop(onUntaken: (fd: number) => void): void;
  /** Ends the lane. `onUntaken` gets each connection that no application has seen. */
  close(onUntaken: (fd: number) => void): void;
}
