import type { Endpoint } from '../../shared/sys/endpoints.ts';
import type { LinePlan } from './line.ts';
import type { Secured } from './secure.ts';
import type { Target } from './target.ts';

/** What a visit hears of one of its connections. Moments are microseconds of now(). */
export interface Listener {
  onConnect(at: number): void;
  /** It may be asked. `at`: when the last packet came that was needed for it. */
  onReady(at: number, made?: Made): void;
  /** Of an answer; `work`: this process's own part since `onReady`, in microseconds. */
  onFirstByte(at: number, work: number): void;
  /** `at`: when its last byte came. */
  onAnswer(answer: Answer, at: number): void;
  /** Of a WebSocket: one was sent and came back. */
  onMessage(micros: number, at: number): void;
  onFailure(name: string): void;
}

/** What is known of connections that are streams. */
export interface Made {
  readonly tls: Secured | undefined;
  /** This process's own part of the handshake, microseconds. */
  readonly work: number;
}

export interface Answer {
  readonly status: number;
  readonly location: string | undefined;
  readonly bodyBytes: number;
  /** Whether the connection can be asked again. */
  readonly keepAlive: boolean;
}

/**
 * One connection of a visit, whatever is spoken on it. After `onFailure`, and as soon as `close` is called, its listener hears
 * nothing.
 */
export interface Conversation {
  /** Begins to connect. -errno when the kernel refuses at once; then the listener hears nothing. */
  connect(endpoints: readonly Endpoint[]): number;
  /** When its SYN left; once `connect` was called. */
  readonly begun: number;
  /** What a visit fails as when its time is over now; undefined when there is nothing to say but that. */
  readonly lateFailure: string | undefined;
  ask(): void;
  /** A message on a WebSocket, once there was the answer 101. */
  say(): void;
  /** This side's port. */
  port(): number;
  /** `closed`: called once, when nothing of it is left, perhaps before this returns. */
  close(closed: () => void): void;
}

/** Makes one ready: what takes time and does not need the server is done by then. */
export type Converse = (plan: LinePlan, target: Target, listener: Listener) => Conversation;
