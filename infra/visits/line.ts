import type { Duplex } from 'node:stream';
import type { Endpoint } from '../../shared/sys/endpoints.ts';
import { errnoName } from '../../shared/sys/libc.ts';
import type { Clients } from './clients.ts';
import { failureOf } from './failures.ts';
import type { Secured, Security } from './secure.ts';
import type { Target } from './target.ts';
import { Wire } from './wire.ts';

/** What all connections of a run share. */
export interface LinePlan {
  readonly clients: Clients;
  readonly security: Security;
}

/** Nothing is called after `onFailure` and `close`. */
export interface LineHandlers {
  onConnect(at: number): void;
  /** It can be written to; `at`: when the last packet of the handshake came. */
  onReady(at: number, secured: Secured | undefined): void;
  onFailure(name: string): void;
}

/** A connection as a stream: of TLS where the target says so. */
export class Line {
  readonly wire: Wire;
  /** What is said and heard goes through it: the wire, or TLS over it. */
  readonly stream: Duplex;
  readonly #clients: Clients;
  readonly #handlers: LineHandlers;
  readonly #secure: boolean;
  #state: 'connecting' | 'securing' | 'ready' | 'closed' = 'connecting';

  constructor({ clients, security }: LinePlan, target: Target, protocols: string[], handlers: LineHandlers) {
    this.#clients = clients;
    this.#handlers = handlers;
    this.#secure = target.secure;
    this.wire = new Wire(target.secure, {
      onConnect: (at) => this.#connected(at),
      onEnd: () => this.#state === 'securing' && this.fail('tls_closed'),
      onFailure: (result) => this.fail(failureOf(errnoName(result))),
    });
    this.stream = target.secure
      ? security.start(this.wire, target, protocols, {
          onSecure: (secured) => this.#ready(secured),
          onFailure: (name) => this.fail(name),
        })
      : this.wire;
  }

  /** -errno when the kernel refuses at once; then no handler is called. */
  connect(endpoints: readonly Endpoint[]): number {
    const result = this.wire.connect(this.#clients, endpoints);
    if (result < 0) this.#destroy();
    return result;
  }

  /** What it failed of if nothing more came. */
  get lateFailure(): string | undefined {
    return this.#state === 'securing' ? 'tls_timeout' : undefined;
  }

  get closed(): boolean {
    return this.#state === 'closed';
  }

  #connected(at: number): void {
    if (this.#state !== 'connecting') return;
    this.#state = this.#secure ? 'securing' : 'ready';
    this.#handlers.onConnect(at);
    if (!this.#secure) this.#handlers.onReady(at, undefined);
  }

  #ready(secured: Secured): void {
    if (this.#state !== 'securing') return;
    this.#state = 'ready';
    this.#handlers.onReady(this.wire.arrived, secured);
  }

  fail(name: string): void {
    if (this.#state === 'closed') return;
    this.#destroy();
    this.#handlers.onFailure(name);
  }

  /** `closed`: called once, when nothing of it is left. */
  close(closed: () => void): void {
    if (this.#state !== 'ready' || !this.#secure) {
      this.#destroy();
      return closed();
    }
    // TLS says goodbye (RFC 8446 section 6.1); nobody waits for the answer.
    this.#state = 'closed';
    this.stream.end();
    setImmediate(() => {
      this.#destroy();
      closed();
    });
  }

  #destroy(): void {
    this.#state = 'closed';
    this.stream.destroy();
    this.wire.destroy();
  }
}
