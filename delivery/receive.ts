/**
 * `receiveConnections`: a head's connections for a server that exists already. Each connection that is handed over is
 * emitted as `connection` on the server, which cannot tell it from one that it accepted itself: an Express, Fastify,
 * Koa or plain `http.Server` serves it unchanged.
 */
import { Server as HttpServer } from 'node:http';
import { Server as HttpsServer } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { BatonError } from '../shared/errors.ts';
import { createLogger, type Logger } from '../shared/log.ts';
import { DEFAULT_CREDITS, deliveryFilesBesides } from '../shared/open-files.ts';
import { SystemError } from '../shared/sys/libc.ts';
import { openFilesLimit } from '../shared/sys/limits.ts';
import { closeFd } from '../shared/sys/sockets.ts';
import { formatHostPort } from '../shared/units.ts';
import { type Introduction, introduction } from '../shared/wire/control.ts';
import { type AdoptedSocket, adoptSocket } from './adopt.ts';
import { type Arrival, Connections } from './connections.ts';
import { findHead, type HeadAddress } from './head-address.ts';
import { type FirstInput, ReadAhead } from './read-ahead.ts';
import type { Session } from './session.ts';

export interface ReceiveOptions {
  /**
   * The head's Unix socket; by default the one that `baton head` uses by default. Or HOST:PORT of a head on another host,
   * its --control: then `secret` and `vip` are needed, and CAP_NET_ADMIN.
   */
  readonly head?: string | undefined;
  /** A file with the secret of the head on another host, readable by its owner alone. */
  readonly secret?: string | undefined;
  /** Addresses that clients connect to, and that this host has as well (on `lo`); several as `A,B`. */
  readonly vip?: string | undefined;
  /** One of a kind under the head: 1 to 64 letters, digits, ".", "_", "-". Default: `delivery-PID`. */
  readonly name?: string | undefined;
  /** Connections that it holds at once, 1 to 1,000,000. Default: what the limit on open files allows, at most 10,000. */
  readonly credits?: number | undefined;
  /** Its share under policies that know weights, 1 to 1000. Default 1. */
  readonly weight?: number | undefined;
  /**
   * HOST:PORT at which clients reach the server without the head, for 307 and 201; null: nowhere. Default: the
   * server's own address if it is listening, unless that is a wildcard.
   */
  readonly direct?: string | null | undefined;
  readonly log?: Logger | undefined;
}

export interface Receiver {
  readonly name: string;
  /** Connections that were handed over and are open. */
  readonly connections: number;
  /** Connections that it holds at once. */
  readonly credits: number;
  /** Whether a head has it now. */
  readonly registered: boolean;
  /** Resolves when a head has welcomed this delivery for the first time; rejects when it refuses it. */
  readonly ready: Promise<void>;
  /**
   * Takes leave: the head gives nothing more, requests in progress end, idle connections are closed, and after
   * `withinMs` (default 10,000) whatever is left is closed too. The server itself is not closed.
   */
  close(withinMs?: number): Promise<void>;
}

const FIRST_RETRY_MS = 50;
const LONGEST_RETRY_MS = 1000;
/** While draining, how often connections that have become idle are looked for, milliseconds. */
const IDLE_CHECK_MS = 50;

/** Attaches a head to `server`. Keeps trying until there is a head, and again whenever the head restarts. */
export function receiveConnections(server: Server, options: ReceiveOptions = {}): Receiver {
  return new Receiving(server, options);
}

class Receiving implements Receiver {
  readonly name: string;
  readonly ready: Promise<void>;
  readonly #server: Server;
  readonly #head: HeadAddress;
  readonly #introduction: Introduction;
  readonly #log: Logger;
  readonly #connections: Connections;
  readonly #readAhead: ReadAhead;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #session: Session | undefined;
  /** Connections that the last hello called active and that ended before there was a session to say so. */
  #unreported = 0;
  #whenEmpty: (() => void) | undefined;

  constructor(server: Server, options: ReceiveOptions) {
    this.#server = server;
    this.#log = options.log ?? createLogger('delivery');
    this.#introduction = introduce(server, options);
    this.name = this.#introduction.name;
    this.#connections = new Connections(this.name, (arrival) => this.#onClosed(arrival));
    this.#head = findHead(options, this.#log);
    this.#readAhead = new ReadAhead();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.ready = promise;
    // Whoever does not wait for `ready` still finds the reason in the log.
    promise.catch(() => {});
    this.#running = this.#keepRegistered(resolve, reject);
  }

  get connections(): number {
    return this.#connections.count;
  }

  get credits(): number {
    return this.#introduction.credits;
  }

  get registered(): boolean {
    return this.#session !== undefined;
  }

  async #keepRegistered(onReady: () => void, onRefused: (error: unknown) => void): Promise<void> {
    let wait = FIRST_RETRY_MS;
    let welcomed = false;
    let told = '';
    while (!this.#stop.signal.aborted) {
      try {
        const { ended } = await this.#register();
        welcomed = true;
        wait = FIRST_RETRY_MS;
        told = '';
        onReady();
        this.#log.info({ delivery: this.name, head: this.#head.name }, 'registered with the head');
        const reason = await ended;
        if (!this.#stop.signal.aborted)
          this.#log.warn({ delivery: this.name }, `${reason}; registering again`);
      } catch (error) {
        if (isFinal(error, welcomed)) {
          this.#log.error({ delivery: this.name }, (error as Error).message);
          return onRefused(error);
        }
        // Once is enough for the same trouble.
        const problem = (error as Error).message;
        if (problem !== told) this.#log.warn({ head: this.#head.name }, `waiting for a head: ${problem}`);
        told = problem;
      }
      await delay(wait, undefined, { signal: this.#stop.signal }).catch(() => {});
      wait = Math.min(wait * 2, LONGEST_RETRY_MS);
    }
    onRefused(new BatonError('NOT_RUNNING', { path: this.#head.name }));
  }

  /** Resolves when the head has welcomed us; `ended` resolves with the reason when the session is over. */
  async #register(): Promise<{ ended: Promise<string> }> {
    const { promise, resolve } = Promise.withResolvers<string>();
    this.#unreported = 0;
    const session = await this.#head.open(this.#introduction, this.#connections.count, {
      onConnections: (fds, arrivalOf) =>
        this.#readAhead.read(fds, (fd, input, index) => this.#adopt(fd, input, arrivalOf(index))),
      countDirect: (answer) => this.#server.getConnections((error, count) => answer(error ? 0 : count)),
      onEnd: (reason) => {
        this.#session = undefined;
        resolve(reason);
      },
    });
    this.#session = session;
    if (this.#unreported > 0) session.formerEnded(this.#unreported);
    if (this.#stop.signal.aborted) session.close();
    return { ended: promise };
  }

  #adopt(fd: number, input: FirstInput, arrival: Arrival): void {
    let socket: AdoptedSocket;
    try {
      const { allowHalfOpen } = this.#server as Server & { allowHalfOpen?: boolean };
      socket = adoptSocket(fd, allowHalfOpen ?? false);
    } catch (error) {
      closeFd(fd);
      arrival.closed();
      this.#log.warn({ delivery: this.name }, `cannot adopt a connection: ${(error as Error).message}`);
      return;
    }
    this.#connections.add(socket, arrival);
    // Not so a TLS server: it takes what the socket has read when it gets it, and reads for itself from then on.
    socket.begin(input, () => this.#server.emit('connection', socket), this.#server instanceof HttpServer);
  }

  #onClosed(arrival: Arrival): void {
    if (!arrival.closed()) {
      if (this.#session) this.#session.formerEnded(1);
      else this.#unreported++;
    }
    if (this.#connections.count === 0) this.#whenEmpty?.();
  }

  async close(withinMs = 10_000): Promise<void> {
    const done = new AbortController();
    const deadline = delay(withinMs, undefined, { signal: done.signal }).catch(() => {});
    await Promise.race([this.#session?.drain(), deadline]);
    this.#stop.abort();
    this.#session?.close();
    if (this.#connections.count > 0) {
      const empty = new Promise<void>((resolve) => {
        this.#whenEmpty = resolve;
      });
      const closeIdle = setInterval(() => this.#closeIdle(), IDLE_CHECK_MS);
      this.#closeIdle();
      await Promise.race([empty, deadline]);
      clearInterval(closeIdle);
      this.#connections.destroyAll();
    }
    done.abort();
    await this.#running;
    this.#readAhead.end();
  }

  /** Only an HTTP server knows which of its connections are between two requests. */
  #closeIdle(): void {
    if (this.#server instanceof HttpServer || this.#server instanceof HttpsServer)
      this.#server.closeIdleConnections();
  }
}

function introduce(server: Server, options: ReceiveOptions): Introduction {
  const limit = openFilesLimit() - deliveryFilesBesides;
  const credits = options.credits ?? Math.max(1, Math.min(DEFAULT_CREDITS, limit));
  if (credits > limit) {
    throw new BatonError('FD_LIMIT', {
      limit: openFilesLimit(),
      need: credits + deliveryFilesBesides,
      option: '--credits',
    });
  }
  const wanted = {
    name: options.name ?? `delivery-${process.pid}`,
    pid: process.pid,
    credits,
    weight: options.weight ?? 1,
    direct: options.direct === undefined ? directAddress(server) : options.direct,
  };
  const parsed = introduction.safeParse(wanted);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.issue;
  const option = String(path[0]);
  throw new BatonError('BAD_OPTION', {
    option,
    problem: message,
    value: JSON.stringify(wanted[option as keyof typeof wanted]),
  });
}

function directAddress(server: Server): string | null {
  const address = server.address() as AddressInfo | string | null;
  if (address === null || typeof address === 'string') return null;
  if (address.address === '::' || address.address === '0.0.0.0') return null;
  return formatHostPort({ host: address.address, port: address.port });
}

/**
 * A head that is not there yet may come; a head that says no goes on saying it. Not to one that it knew: whatever its
 * successor has against it may pass, and somebody who mends it does not think of restarting a delivery.
 */
function isFinal(error: unknown, welcomed: boolean): boolean {
  if (welcomed) return false;
  if (error instanceof SystemError)
    return error.code !== 'ENOENT' && error.code !== 'ECONNREFUSED' && error.code !== 'EAGAIN';
  if (error instanceof BatonError) return error.code === 'HEAD_REFUSED' || error.code === 'LINK_REFUSED';
  return true;
}
