/** A head as those see it who have started one. */
import type { HeadStatus, Mode } from '../shared/status.ts';

export interface Head {
  /** HOST:PORT, with the port that the kernel picked. */
  readonly listen: string;
  readonly socket: string;
  readonly admin: string;
  /** HOST:PORT for deliveries of other hosts; null when there are none. */
  readonly control: string | null;
  /** HOST:PORT of `--metrics`; null without. */
  readonly metrics: string | null;
  /**
   * Reads the certificates again; with those that are wrong it goes on with what it has, and says so in its log. False: there
   * is nothing that it could read again.
   */
  reload(): boolean;
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
  /** Stops accepting, passes on what is queued, closes. Resolves within the stop timeout and about a second. */
  stop(): Promise<void>;
  /** Resolves when it has stopped; rejects when a worker has failed. */
  readonly ended: Promise<void>;
}
