/**
 * Session tickets that every delivery of a group takes, so that a client resumes its TLS session on whichever it lands.
 *
 * The keys come from a secret that the deliveries share, by HKDF (RFC 5869), for each group of served names (a ticket that
 * was given for one site is worth nothing at another), and change with time: each generation is of one period, the tickets
 * of the one before are still good, and so are those of the next, from a host whose clock is ahead. Nothing is to be
 * distributed, nor kept: who knows the secret and the time knows the keys.
 *
 * `server.setTicketKeys` knows the keys of one generation only. What Node calls for each ticket instead, on the server's
 * context, has no documentation; it is the same in every supported release, and their own tests need it
 * (test/parallel/test-https-resume-after-renew.js).
 */
import type { Server } from 'node:net';
import { BatonError } from '../shared/errors.ts';
import { readSecret } from '../shared/wire/remote/secret.ts';
import { speaksTls } from './http-connections.ts';

/** Loaded by who makes tickets alone: it takes a process 5 ms of CPU. */
const crypto = () => process.getBuiltinModule('node:crypto');

/** Milliseconds. A ticket is good for one to two of them, unless the server's `sessionTimeout` (300 s) is less. */
const PERIOD_MS = 12 * 3_600_000;

const PART_BYTES = 16;
const UNUSED = Buffer.alloc(PART_BYTES);

/** By what a ticket is known, signed and encrypted. */
interface Keys {
  readonly name: Buffer;
  readonly hmac: Buffer;
  readonly aes: Buffer;
}

export class TicketKeys {
  /** As which a session belongs to this group: OpenSSL resumes no other. Node's default is another for another command line. */
  readonly sessionContext: string;
  readonly #secret: Buffer;
  readonly #group: string;
  readonly #now: () => number;
  readonly #known = new Map<number, Keys>();

  /** `served`: names, in any order; none is a group as well. `now`: milliseconds since 1970. */
  constructor(secret: Buffer, served: readonly string[], now: () => number = Date.now) {
    this.#secret = secret;
    this.#group = [...new Set(served.map((name) => name.toLowerCase()))].sort().join(',');
    this.#now = now;
    this.sessionContext = this.#derive('session context', PART_BYTES).toString('hex');
  }

  get #generation(): number {
    return Math.floor(this.#now() / PERIOD_MS);
  }

  /** For a new ticket. */
  get current(): Keys {
    return this.#of(this.#generation);
  }

  /** Of the ticket that names them so; undefined when they are too old, or not this group's. */
  find(name: Buffer): Keys | undefined {
    const now = this.#generation;
    for (const generation of [now, now - 1, now + 1]) {
      const keys = this.#of(generation);
      if (keys.name.equals(name)) return keys;
    }
    return undefined;
  }

  #of(generation: number): Keys {
    let keys = this.#known.get(generation);
    if (!keys) {
      const bytes = this.#derive(`keys ${generation}`, 3 * PART_BYTES);
      keys = {
        name: bytes.subarray(0, PART_BYTES),
        hmac: bytes.subarray(PART_BYTES, 2 * PART_BYTES),
        aes: bytes.subarray(2 * PART_BYTES),
      };
      for (const old of this.#known.keys()) if (old < generation - 2) this.#known.delete(old);
      this.#known.set(generation, keys);
    }
    return keys;
  }

  #derive(purpose: string, bytes: number): Buffer {
    return Buffer.from(
      crypto().hkdfSync('sha256', this.#secret, this.#group, `baton session tickets: ${purpose}`, bytes),
    );
  }
}

/** What OpenSSL is told of a ticket (SSL_CTX_set_tlsext_ticket_key_cb(3)). */
const NOT_OURS = 0;
const MADE = 1;
/** It is good, and the client gets a fresh one: those of TLS 1.3 are to be used once (RFC 8446 appendix C.4). */
const GOOD_AND_RENEWED = 2;

type Verdict = readonly [verdict: number, hmac: Buffer, aes: Buffer, name?: Buffer, iv?: Buffer];

interface TlsServer extends Server {
  setSecureContext(options: object): void;
  readonly _sharedCreds: {
    readonly context: {
      setSessionIdContext(context: string): void;
      enableTicketKeyCallback(): void;
      onticketkeycallback: (name: Buffer, iv: Buffer, isNew: boolean) => Verdict;
    };
  };
}

/**
 * From now on `server` makes tickets by the secret in `file`, and takes those of every server of the same group. Throws
 * SECRET_UNUSABLE, and BAD_OPTION for a server that speaks no TLS.
 */
export function shareTickets(server: Server, file: string, served: readonly string[]): void {
  const secret = readSecret(file);
  if (!speaksTls(server)) {
    throw new BatonError('BAD_OPTION', {
      option: '--ticket-secret',
      problem:
        'only a server that speaks TLS makes session tickets: with --tls-certificate, or one of https, http2 (secure), tls',
      value: file,
    });
  }
  makeTickets(server as TlsServer, new TicketKeys(secret, served));
}

export function makeTickets(server: Server, keys: TicketKeys): void {
  const own = server as TlsServer;
  const { setSecureContext } = own;
  const use = () => {
    const { context } = own._sharedCreds;
    context.setSessionIdContext(keys.sessionContext);
    context.onticketkeycallback = (name, _iv, isNew) => {
      const found = isNew ? keys.current : keys.find(name);
      if (!found) return [NOT_OURS, UNUSED, UNUSED];
      const { hmac, aes } = found;
      return isNew
        ? [MADE, hmac, aes, found.name, crypto().randomBytes(PART_BYTES)]
        : [GOOD_AND_RENEWED, hmac, aes];
    };
    context.enableTicketKeyCallback();
  };
  use();
  // A new certificate comes with a new context.
  own.setSecureContext = function (this: TlsServer, options) {
    setSecureContext.call(this, options);
    use();
  };
}
