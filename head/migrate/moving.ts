/** What is said of a connection on its way to another host, and of where it goes; and how it is copied. */
import { disconnect } from '../../shared/sys/endpoints.ts';
import { vacateFd } from '../../shared/sys/vacate.ts';
import {
  type Ends,
  encodeSaved,
  type FrozenConnection,
  freeze,
  Refusal,
  type SavedConnection,
} from '../../shared/tcp-repair/index.ts';
import type { Link } from '../../shared/wire/remote/link.ts';
import type { NextHop, Steering } from '../steer/index.ts';
import type { Settlement } from '../worker-messages.ts';
import type { Alarm } from './alarm.ts';
import type { Unconfirmed } from './flow-book.ts';
import type { Ids } from './ids.ts';
import type { Measures } from './measures.ts';

/** A packet that was past the hold when it was set arrives within microseconds: a second try finds a quiet socket. */
const TRIES = 3;

/** What is told of a connection to who keeps the book of flows: on the main thread the book itself (flows.ts). */
export interface MovedFlows {
  /** So many more may begin to move. */
  readonly room: number;
  beginToMove(key: Buffer): void;
  stopMoving(key: Buffer, id: number): void;
  add(id: number, key: Buffer, owner: string): void;
  doubt(id: number, owner: string, committed: Unconfirmed, isToBeAsked: boolean): void;
  resetAway(id: number, owner: string, committed: Unconfirmed): void;
}

/** What migrations to all deliveries share. */
export interface MigrationParts {
  readonly steering: Pick<Steering, 'isAttached' | 'hold' | 'mark' | 'forward'>;
  readonly flows: MovedFlows;
  readonly measures: Measures;
  /** From freeze to adopted, at most. */
  readonly adoptTimeoutMs: number;
  readonly ids: Ids;
  /** A worker's own has no event loop's timers. */
  readonly alarm?: (onDue: () => void) => Alarm;
  /** How the head's end of a connection that has moved is closed; without it the fd's number stays its worker's. */
  readonly close?: (fd: number) => void;
}

/** The delivery that they go to. */
export interface Destination {
  readonly name: string;
  readonly link: Link;
  /** As its delivery reads it. */
  readonly encode: (saved: SavedConnection) => Buffer;
  /** Where its host is now. */
  readonly hop: () => NextHop;
  /** Tells the worker that the connection came from. */
  readonly settle: (worker: number, fd: number, how: Settlement) => void;
}

/** A connection that has been given to this delivery and has not gone anywhere. */
export interface Waiting {
  readonly worker: number;
  readonly fd: number;
  /** Copies that its client's packets have outdated, and deadlines that have passed. */
  readonly outdated: number;
  readonly late: number;
  /** What the application that had it needs to go on with it. */
  readonly app: Uint8Array | undefined;
}

export interface Moving extends Waiting {
  readonly id: number;
  readonly key: Buffer;
  /** Its packets are dropped while it moves. */
  readonly isHeld: boolean;
  readonly frozen: FrozenConnection;
  readonly saved: SavedConnection;
  /** Milliseconds of performance.now(). */
  readonly began: number;
  readonly dumped: number;
}

/** What is known of a delivery that is dropped. */
export type Fate =
  /** Its process has ended, and all that it had said was read: it speaks for nothing that it had not said to live. */
  | 'dead'
  /** As far as is known it has ended; what it had said last may be lost. */
  | 'reset'
  /** It may live. */
  | 'alive';

/** There are releases that know nothing of what a connection knew of its path. */
export const encoderFor = (readsPath: boolean): Destination['encode'] =>
  readsPath ? encodeSaved : (saved) => encodeSaved({ ...saved, congestion: null });

/** Freezes and saves it, thawed again where that is refused. */
export function freezeAndSave(
  fd: number,
  ends: Ends,
  close: (fd: number) => void = vacateFd,
): { frozen: FrozenConnection; saved: SavedConnection } | Refusal {
  for (let tries = 1; ; tries++) {
    const frozen = freeze(fd, { ends, close: (its) => endForAll(its, close) });
    if (frozen instanceof Refusal) return frozen;
    const saved = frozen.save();
    if (!(saved instanceof Refusal)) return { frozen, saved };
    frozen.thaw();
    if (saved.reason !== 'changing' || tries === TRIES) return saved;
  }
}

/**
 * Nobody has it any more, neither who has a copy of its fd: one that has given it back is told to close that, and may be stopped. In
 * repair mode nothing is sent.
 */
function endForAll(fd: number, close: (fd: number) => void): void {
  disconnect(fd);
  close(fd);
}
