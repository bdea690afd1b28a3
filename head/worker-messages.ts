/** What the head's main thread and its workers say to each other. Messages of one worker arrive in order. */
import type { BoardMemory } from './board.ts';

export interface WorkerSettings {
  readonly index: number;
  readonly board: BoardMemory;
  /** Bound, not yet listening; the worker's from now on. */
  readonly listener: number;
  readonly backlog: number;
  /** Written to by the main thread after each message. */
  readonly wake: number;
  readonly policy: string;
  /** One more than the highest fd that the process can have. */
  readonly fdCapacity: number;
  /** Connections that this worker holds at most. */
  readonly maxConnections: number;
  readonly headBytes: number;
  readonly headTimeoutMs: number;
  readonly lingerIdleMs: number;
  readonly lingerTotalMs: number;
  readonly lingerBytes: number;
  readonly stallTimeoutMs: number;
}

export type ToWorker =
  /** A delivery has a slot; both ends of its lane are the worker's from now on. Answer `joined`. */
  | {
      readonly type: 'join';
      readonly slot: number;
      readonly name: string;
      readonly direct: string | null;
      readonly headEnd: number;
      readonly deliveryEnd: number;
    }
  /** Close its lane and give what it had not taken to others; answer `left`. */
  | { readonly type: 'leave'; readonly slot: number; readonly broken: boolean }
  /** It is given nothing more: answer `quiet` once it has taken all that was on its way. */
  | { readonly type: 'quiesce'; readonly slot: number }
  /** Serve what is queued, then end, at the latest after `withinMs`. */
  | { readonly type: 'stop'; readonly withinMs: number };

export type FromWorker =
  | { readonly type: 'listening' }
  | { readonly type: 'joined'; readonly slot: number }
  /** `moved`: connections that it had not taken and that others were given. */
  | { readonly type: 'left'; readonly slot: number; readonly moved: number }
  | { readonly type: 'quiet'; readonly slot: number }
  /** A connection has waited longer than the stall timeout to be taken. */
  | { readonly type: 'stalled'; readonly slot: number }
  /** It broke the protocol. */
  | { readonly type: 'broken'; readonly slot: number; readonly problem: string }
  | { readonly type: 'stopped' };
