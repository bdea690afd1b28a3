/** What the head's main thread and its workers say to each other. Messages of one worker arrive in order. */
import type { SavedConnection } from '../shared/tcp-repair/index.ts';
import type { Introduction } from '../shared/wire/control.ts';
import type { LaneKeys } from '../shared/wire/remote/sealed.ts';
import type { Shared } from './choose/index.ts';
import type { ScoreboardMemory } from './scoreboard.ts';
import type { NextHop } from './steer/index.ts';
import type { TableSpec } from './steer/table.ts';
import type { Hearing } from './tls/messages.ts';

/** What of a worker's settings may be other ones while it runs. */
export interface Tuning {
  readonly policy: string;
  /** Connections that this worker holds at most. */
  readonly maxConnections: number;
  readonly backlog: number;
  /** 0: none. */
  readonly deferAcceptMs: number;
  readonly headBytes: number;
  readonly headTimeoutMs: number;
  readonly lingerIdleMs: number;
  readonly lingerTotalMs: number;
  readonly lingerBytes: number;
  readonly stallTimeoutMs: number;
}

export interface WorkerSettings {
  readonly index: number;
  readonly scoreboard: ScoreboardMemory;
  /** What workers have in common of policies. */
  readonly shared: Shared;
  /**
   * Bound; the worker's from now on. They may listen already, and accepting begins when the worker is told so. More than one only
   * where some were inherited.
   */
  readonly listeners: readonly number[];
  /** Written to by the main thread after each message. */
  readonly wake: number;
  readonly tuning: Tuning;
  /** What `headBytes` can become. */
  readonly headBytesMax: number;
  /** One more than the highest fd that the process can have. */
  readonly fdCapacity: number;
  /** Deliveries of other hosts may come. */
  readonly mayMove: boolean;
  /** Make system calls in batches where the kernel can. */
  readonly ioUring: boolean;
  /** Visitors wait for it from its first moment. */
  readonly rehearsesVisits: boolean;
}

/** A connection as it passes from one head to the next. A head only looks, so that this is all there is to know of it. */
export interface PassedConnection {
  readonly fd: number;
  /** What it waits for: its client, an answer to leave (`rest` of it), or its client's end. */
  readonly state: 'reading' | 'writing' | 'lingering';
  /** The number of the mode that was in force when it was accepted. */
  readonly mode: number;
  /** Since it was accepted, and since it waits as it does, milliseconds. */
  readonly ageMs: number;
  readonly waitedMs: number;
  readonly addressHash: number;
  /** Deliveries that it was given to in vain. */
  readonly attempts: number;
  /** Bytes thrown away since it was answered. */
  readonly discarded: number;
  readonly rest?: Uint8Array | undefined;
}

/** How connections come back from a delivery. */
export interface WayBackSpec {
  readonly end: number;
  /** It takes connections that come with a state. */
  readonly takesState: boolean;
}

/** How one worker's connections reach a delivery. */
export type LaneSpec =
  /** Over a lane, both of whose ends are the worker's from now on, and so is its end of the way back. */
  | {
      readonly transport: 'fd';
      readonly ends: { readonly head: number; readonly delivery: number };
      readonly back?: WayBackSpec | undefined;
    }
  /** Through the main thread. `registration` tells this registration from others that had the slot before. */
  | {
      readonly transport: 'migrate';
      readonly registration: number;
      /** It takes connections that come with a state. */
      readonly takesState: boolean;
    };

/** A lane that a delivery of another host has opened for a worker, and what the worker needs to move connections over it. */
export interface OwnLane {
  readonly registration: number;
  readonly name: string;
  /** It reads what a connection knew of its path. */
  readonly readsPath: boolean;
  readonly fd: number;
  readonly keys: LaneKeys;
  readonly table: TableSpec;
  readonly memory: MoveMemory;
  readonly adoptTimeoutMs: number;
  readonly hop: NumberedHop;
}

/** What a worker that moves connections shares with the main thread. */
export interface MoveMemory {
  readonly ids: SharedArrayBuffer;
  readonly journal: SharedArrayBuffer;
  readonly measures: SharedArrayBuffer;
  /** How many connections of all workers are under way, or not confirmed. */
  readonly pending: SharedArrayBuffer;
}

/** `number` counts the ways that the delivery's host was found to be reached in. */
export interface NumberedHop {
  readonly way: NextHop;
  readonly number: number;
}

export type ToWorker =
  /** Begin to accept connections. */
  | { readonly type: 'accept' }
  /** Go on with these settings. Answer `tuned`. */
  | { readonly type: 'tune'; readonly tuning: Tuning }
  /** A delivery has a slot. Answer `joined`. */
  | {
      readonly type: 'join';
      readonly slot: number;
      readonly name: string;
      readonly direct: string | null;
      readonly directTls: Introduction['directTls'];
      /** Names of servers; undefined: every one. */
      readonly serves: readonly string[] | undefined;
      readonly lane: LaneSpec;
    }
  /** What became of a connection that was to `migrate`; after `taken` its fd stands for nothing any more. */
  | { readonly type: 'settled'; readonly slot: number; readonly fd: number; readonly how: Settlement }
  /** From here on this worker moves connections to it itself. */
  | { readonly type: 'own-lane'; readonly slot: number; readonly lane: OwnLane }
  /** Its host is reached in another way. */
  | { readonly type: 'hop'; readonly slot: number; readonly registration: number; readonly hop: NumberedHop }
  /**
   * A delivery of another host, in slot `from`, gives a connection back, of which there is a mute copy: who else is to have it?
   * Answer `weighed`. `address`: its client's; `input`: what of it nobody has read; `state`: of its application.
   */
  | {
      readonly type: 'weigh';
      readonly ticket: number;
      readonly from: number;
      readonly fd: number;
      readonly address: Uint8Array;
      readonly input: Uint8Array;
      readonly state: Uint8Array | undefined;
    }
  /** It lives, and is the worker's: give it to whom you have chosen. */
  | { readonly type: 'regained'; readonly ticket: number; readonly fd: number }
  /** Nothing comes of it. */
  | { readonly type: 'forsaken'; readonly ticket: number }
  /**
   * Close its lane and give what it had not taken to others; answer `left`. `successor`: it has gone to another head, and
   * clients may be sent to it.
   */
  | { readonly type: 'leave'; readonly slot: number; readonly successor: boolean }
  /** It is given nothing more: answer `quiet` once it has taken all that was on its way. */
  | { readonly type: 'quiesce'; readonly slot: number }
  /** The head has certificates for these names, and one for who names none; undefined: it has none any more. */
  | { readonly type: 'tls-names'; readonly names: readonly string[] | undefined }
  /** The client of a connection whose TLS the head ends has sent these bytes so far. */
  | { readonly type: 'tls-heard'; readonly fd: number; readonly bytes: Uint8Array; readonly how: Hearing }
  /** The TLS thread has nothing of it any more. */
  | { readonly type: 'tls-over'; readonly fd: number; readonly whole: boolean; readonly lost?: true }
  /** Accept nobody, look at nothing, answer nothing; what is on its way goes on. Answer `frozen`, with the same `round`. */
  | { readonly type: 'freeze'; readonly round: number }
  /** Go on. */
  | { readonly type: 'thaw' }
  /** A successor has what was told with `frozen`. What deliveries give back is kept until `collect`. */
  | { readonly type: 'depart' }
  /** Answer `rest`. */
  | { readonly type: 'collect' }
  /** The successor has everything but what the TLS thread has: close it here, and end when that is over. */
  | { readonly type: 'release'; readonly withinMs: number }
  /** These were another head's. */
  | { readonly type: 'adopt'; readonly connections: readonly PassedConnection[] }
  /** Serve what is queued, then end, at the latest after `withinMs`. */
  | { readonly type: 'stop'; readonly withinMs: number };

/**
 * `returned`: it is the head's again, and no application has seen it. `gone`: the same, but its client has reset it.
 */
export type Settlement = 'taken' | 'returned' | 'gone';

export type FromWorker =
  /** These connections are to move to another host: hands off until each is `settled`. */
  | {
      readonly type: 'migrate';
      readonly slot: number;
      readonly registration: number;
      readonly fds: readonly number[];
      /** Of these, what the application that had one needs to go on with it. */
      readonly states?: ReadonlyMap<number, Uint8Array>;
    }
  /** Who is to have it, whose credit is taken; NOBODY. */
  | { readonly type: 'weighed'; readonly ticket: number; readonly slot: number }
  /** Read the journal: it fills. */
  | { readonly type: 'moved' }
  /** A connection stays with the head, for this reason. */
  | { readonly type: 'stayed'; readonly reason: string }
  /**
   * It has gone, and its delivery has not said that it has it: it said no, or its lane has ended with all that it had said
   * read, or without that being known.
   */
  | {
      readonly type: 'uncertain';
      readonly slot: number;
      readonly registration: number;
      readonly id: number;
      readonly key: Uint8Array;
      readonly saved: SavedConnection;
      readonly why: 'refused' | 'ended' | 'unsure';
    }
  /** The lane over which this worker has moved connections to it has ended. */
  | { readonly type: 'lane-ended'; readonly slot: number; readonly registration: number }
  /** Speak TLS with its client: hands off until it is over. */
  | { readonly type: 'tls-begin'; readonly fd: number }
  /** The whole of its answer, and its end. */
  | { readonly type: 'tls-answer'; readonly fd: number; readonly bytes: Uint8Array }
  /** `ioUring`: whether it does make system calls in batches. */
  | { readonly type: 'ready'; readonly ioUring: boolean }
  /** It was told to stop: what was queued has been accepted, and its listener is closed. */
  | { readonly type: 'closed' }
  /** All that this worker holds and that nobody else has in hand: a successor may get copies. */
  | { readonly type: 'frozen'; readonly round: number; readonly connections: readonly PassedConnection[] }
  /** What has come back since. */
  | { readonly type: 'rest'; readonly connections: readonly PassedConnection[] }
  | { readonly type: 'joined'; readonly slot: number }
  | { readonly type: 'tuned' }
  /** `moved`: connections that it had not taken and that others were given. */
  | { readonly type: 'left'; readonly slot: number; readonly moved: number }
  | { readonly type: 'quiet'; readonly slot: number }
  /** Something waits, and for longer than the stall timeout nothing was taken. Said again while it is so. */
  | { readonly type: 'stalled'; readonly slot: number }
  /** It broke the protocol. */
  | { readonly type: 'broken'; readonly slot: number; readonly problem: string }
  | { readonly type: 'stopped' };
