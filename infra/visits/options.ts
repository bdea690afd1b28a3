/** What a run of visits is asked for, and what it tells while it goes on. Plain data but for the calls back and the signal. */
import type { ArrivalKind } from './arrivals.ts';
import type { Distribution } from './distribution.ts';
import type { TlsOptions } from './secure.ts';

export interface VisitOptions {
  /** http, https, ws and wss URLs, visited in turns. */
  readonly urls: readonly string[];
  /** Visits per second. */
  readonly rate: number;
  /** How long visits are begun; those going on at the end are waited for, up to their time limit. */
  readonly durationMs: number;
  /** Visits at the same rate before the measurement, outside every figure. Default 0. */
  readonly warmUpMs?: number;
  readonly arrivals?: ArrivalKind;
  /** Of Poisson arrivals, and of what is drawn for each visit. Default 1. */
  readonly seed?: number;
  /** Default 1. */
  readonly requestsPerVisit?: number | Distribution;
  /** How long a visitor stays, ms: requests are spread over it, and the connection is kept until it is over. Default: not at all. */
  readonly lifetime?: Distribution | undefined;
  /** On each WebSocket, one after the other. Default 1. */
  readonly messagesPerVisit?: number;
  /** Over TLS where the server chooses it, which is a failure where it does not; without TLS with prior knowledge. Default false. */
  readonly http2?: boolean;
  readonly tls?: TlsOptions;
  /** When to begin, milliseconds since 1970; default now. For generators that begin together, or beside something else. */
  readonly startAt?: number | undefined;
  /** One of several generators: each `of`-th visit of the same arrivals is its, from number `index` on. Default: all of them. */
  readonly share?: Share | undefined;
  /** Of a whole visit, from its intended start; what it pauses by itself does not count. Default 10 s, kept to within 20 ms. */
  readonly timeoutMs?: number;
  /** The most visits going on at once; one that is due above it fails as `over_cap`. Default 4000. */
  readonly maxInFlight?: number;
  /** Keep every visit's start and total in the result. */
  readonly samples?: boolean;
  /** Each measured visit when it is over. */
  readonly onVisit?: ((visit: EndedVisit) => void) | undefined;
  /** Asked to tell how many have failed or took longer, whenever that is more: as soon as it is clear of one that goes on. */
  readonly slow?: Slow | undefined;
  /** Whether this process runs at real-time priority, for the result to say. Default false. */
  readonly realtime?: boolean;
  /** Ends the run early; what was measured until then is the result, marked incomplete. */
  readonly signal?: AbortSignal | undefined;
  /** From then on (not before the run) none is begun; those going on are waited for. */
  readonly ending?: AbortSignal | undefined;
  /** Four times a second. */
  readonly onProgress?: ((progress: VisitProgress) => void) | undefined;
}

interface Share {
  readonly index: number;
  readonly of: number;
}

interface Slow {
  readonly afterMs: number;
  readonly onCount: (count: number) => void;
}

/** Moments in microseconds of `now()`. */
export interface EndedVisit {
  readonly intended: number;
  readonly done: number;
  /** What it paused by itself, microseconds. */
  readonly paused: number;
  /** Undefined when it succeeded. */
  readonly failure: string | undefined;
}

export interface VisitProgress {
  readonly elapsedMs: number;
  readonly totalMs: number;
  readonly done: number;
  readonly failed: number;
  readonly inFlight: number;
}
