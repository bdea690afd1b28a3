/** A head as those see it who have started one. */
import type { HeadStatus, Mode, Reloaded } from '../shared/status.ts';

export interface Head {
  /** HOST:PORT, with the port that the kernel picked. */
  readonly listen: string;
  readonly socket: string;
  readonly admin: string;
  /** HOST:PORT for deliveries of other hosts; null when there are none. */
  readonly control: string | null;
  /** HOST:PORT of `--metrics`; null without. */
  readonly metrics: string | null;
  /** There is something that it could read again. */
  readonly canReload: boolean;
  /**
   * Reads its configuration file and its certificates again. Rejects with a BatonError, and changes nothing, when anything of
   * it is wrong; its log says so too.
   */
  reload(): Promise<Reloaded>;
  status(): HeadStatus;
  setMode(mode: Mode): void;
  drain(name: string, on: boolean): void;
  /**
   * Starts a successor and resolves with its pid when that has taken over; this head ends then. Throws TAKE_OVER_FAILED and
   * TAKE_OVER_REFUSED, and goes on.
   */
  upgrade(): Promise<number>;
  /** A successor has taken over. */
  readonly isHandedOver: boolean;
  /**
   * Resolves with the pid of the successor when that has all and nothing is under way here any more: a process that is nothing
   * else may end at once.
   */
  readonly left: Promise<number>;
  /** Every worker's loop turns: to be asked a second or so apart by whoever is to tell that this head is not frozen. */
  isTurning(): boolean;
  /** Stops accepting, passes on what is queued, closes. Resolves within the stop timeout and about a second. */
  stop(): Promise<void>;
  /** Resolves when it has stopped; rejects when a worker has failed. */
  readonly ended: Promise<void>;
}
