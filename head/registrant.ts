/** Between the registry and whoever talks to a delivery: local-delivery.ts on this host, migrate/remote-delivery.ts on others. */
import type { Transport } from '../shared/status.ts';
import type { Introduction } from '../shared/wire/control.ts';
import type { Distribute } from '../shared/wire/distribute.ts';
import type { LaneSpec } from './worker-messages.ts';

/** A delivery as it comes to be registered, and how to talk to it from then on. */
export interface Registrant {
  readonly introduction: Introduction;
  readonly transport: Transport;
  /** Connections of earlier registrations that it still holds. */
  readonly active: number;
  /** The pid of its process; 0 where that is not known. */
  readonly process: number;
  /** False once it has gone. */
  readonly isWaiting: boolean;
  /** How each worker's connections will reach it. Called once; what they hold is the workers' from then on. */
  makeLanes(workers: number): LaneSpec[];
  /** Every worker knows it: it is in. False when it cannot be told. */
  welcome(): boolean;
  ping(): void;
  drained(): void;
  /** It gives back what can move, from now on or no more; undefined for one that can not. */
  readonly move: ((on: boolean) => void) | undefined;
  /** How the next request of a connection finds its delivery; undefined for one that does not look. */
  readonly distribute?: ((message: Distribute) => void) | undefined;
  /**
   * It is dropped. What is on its way to it is settled with the workers before this returns. `successor`: another head waits
   * where this one was.
   */
  dismiss(reason: string, successor: boolean): void;
}

/** What a delivery that gives its connections back still has: in the middle of a request, and such as cannot move. */
export interface Left {
  readonly busy: number;
  readonly stays: number;
}

/** A delivery that every worker knows, and that is given nothing yet. */
export interface Prepared {
  readonly slot: number;
  /** Welcomes it: it may be given connections from here on. Undefined when it has left meanwhile. Throws PROTOCOL. */
  begin(): Registration | undefined;
  /** It has left before. */
  drop(): void;
}

/** What its registrant tells of a registered delivery. */
export interface Registration {
  readonly slot: number;
  /** It was heard. */
  heard(): void;
  pong(direct: number, left?: Left): void;
  /** `count` connections have ended that no worker counts: those of earlier registrations, or all of a remote one. */
  ended(count: number): void;
  /** `count` connections have come to it by another head. They take credits, as many as they are. */
  elsewhere(count: number): void;
  draining(): void;
  /** It has gone, or it must go. */
  end(reason: string): void;
}
