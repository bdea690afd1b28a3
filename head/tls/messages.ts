/** What the head's main thread and its TLS thread say to each other, and what of it goes on to the workers. */

/** A certificate with its chain and its key, PEM, and the names that it is for. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
  /** DNS names in lower case, `*.example` for any one label; empty for one that names no server. */
  readonly names: readonly string[];
}

/** Times in milliseconds. */
export interface TlsLimits {
  /** For the handshake and the request head together. */
  readonly headTimeoutMs: number;
  readonly headBytes: number;
  /** After the answer: without a byte from the client, and in all since the connection was accepted. */
  readonly lingerIdleMs: number;
  readonly lingerTotalMs: number;
  readonly lingerBytes: number;
}

export type ToTls =
  /** Of these the first is for who names no server. */
  | { readonly type: 'certificates'; readonly certificates: readonly Certificate[] }
  /** From here on these hold, for who is there as well. */
  | { readonly type: 'limits'; readonly limits: TlsLimits }
  /** Speak TLS with the client of `fd`, from its first byte on. The fd stays its worker's: what is needed of it is copied. */
  | { readonly type: 'begin'; readonly fd: number }
  /** Send it this, the whole of the answer, or nothing, and see the connection to its end. */
  | { readonly type: 'answer'; readonly fd: number; readonly bytes: Uint8Array }
  /** From now on clients have a second, no more. */
  | { readonly type: 'stop' };

/**
 * `more`: they may tell what it asks for. `ended`: the client says no more. `late`: it has had its time.
 */
export type Hearing = 'more' | 'ended' | 'late';

export type FromTls =
  /** The client has sent all these bytes so far. */
  | { readonly type: 'heard'; readonly fd: number; readonly bytes: Uint8Array; readonly how: Hearing }
  /** Nothing of the connection is left here. `whole`: its handshake had been made; `lost`: this thread had not done with it. */
  | { readonly type: 'over'; readonly fd: number; readonly whole: boolean; readonly lost?: true };
