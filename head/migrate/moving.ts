/** What is said of a connection on its way to another host, and of where it goes; and how it is copied. */
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
import type { RemoteHello } from '../../shared/wire/remote/messages.ts';
import type { NextHop, Steering } from '../steer/index.ts';
import type { Settlement } from '../worker-messages.ts';
import type { Flows } from './flows.ts';
import type { Ids } from './ids.ts';
import type { Measures } from './measures.ts';

/** A packet that was past the hold when it was set arrives within microseconds: a second try finds a quiet socket. */
const TRIES = 3;

/** What migrations to all deliveries share. */
export interface MigrationParts {
  readonly steering: Steering;
  readonly flows: Flows;
  readonly measures: Measures;
  /** From freeze to adopted, at most. */
  readonly adoptTimeoutMs: number;
  readonly ids: Ids;
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
export const encoderFor = ({ resumes }: Pick<RemoteHello, 'resumes'>): Destination['encode'] =>
  resumes === undefined ? (saved) => encodeSaved({ ...saved, congestion: null }) : encodeSaved;

/** Freezes and saves it, thawed again where that is refused. */
export function freezeAndSave(
  fd: number,
  ends: Ends,
): { frozen: FrozenConnection; saved: SavedConnection } | Refusal {
  for (let tries = 1; ; tries++) {
    const frozen = freeze(fd, { ends, close: vacateFd });
    if (frozen instanceof Refusal) return frozen;
    const saved = frozen.save();
    if (!(saved instanceof Refusal)) return { frozen, saved };
    frozen.thaw();
    if (saved.reason !== 'changing' || tries === TRIES) return saved;
  }
}
