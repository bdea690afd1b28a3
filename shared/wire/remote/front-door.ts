/**
 * The head's side of the control port: who comes speaks TLS, which begins a link, or opens a lane of a link that there is. What it
 * says first tells which. Whoever has not shown to have the secret is a stranger, and there are never many of those.
 */
import { createServer, type Server, type Socket } from 'node:net';
import type { TLSSocket, Server as TlsServer } from 'node:tls';
import { listenerOf } from '../../sys/listener-of.ts';
import { duplicateFd } from '../../sys/sockets.ts';
import { formatHostPort } from '../../units.ts';
import { isOpening, isProved, OPENING_SIZE, readOpening } from './opening.ts';
import { type LaneKeys, laneKeys, linkNameOf } from './sealed.ts';

/** Links, and above them so many that have not shown that they have the secret: the oldest of those makes room. */
const LINKS_MAX = 256;
const STRANGERS_MAX = 64;
/** Of one link. */
const LANES_MAX = 128;

/** A lane whose other end has the key. Its opener has opened one record. */
export interface OpenedLane {
  readonly index: number;
  /** Non-blocking, close-on-exec, without Nagle's delay; the receiver's from now on. */
  readonly fd: number;
  readonly keys: LaneKeys;
}

export interface LaneOffer {
  /** Lanes 0 to `count` - 1 may be opened, each of them once. */
  readonly count: number;
  readonly onLane: (lane: OpenedLane) => void;
}

interface Offered extends LaneOffer {
  readonly secret: Uint8Array;
  readonly opened: Set<number>;
}

export interface FrontDoorParts {
  /** Speaks TLS with whoever is given to it; does not listen itself. */
  readonly tls: TlsServer;
  readonly withinMs: number;
  readonly onRefused: (peer: string, reason: string) => void;
}

export class FrontDoor {
  readonly server: Server;
  readonly #parts: FrontDoorParts;
  readonly #offers = new Map<string, Offered>();

  constructor(parts: FrontDoorParts) {
    this.#parts = parts;
    this.server = createServer({ noDelay: true }, (socket) => this.#receive(socket));
    this.server.maxConnections = LINKS_MAX * (1 + LANES_MAX) + STRANGERS_MAX;
    limitStrangers(this.server, parts.tls);
  }

  /** `secret`: what the link's two sides have in common, and nobody else. Until what it returns is called. */
  offer(secret: Uint8Array, { count, onLane }: LaneOffer): () => void {
    const name = linkNameOf(secret).toString('latin1');
    const offered = { secret, count: Math.min(count, LANES_MAX), onLane, opened: new Set<number>() };
    this.#offers.set(name, offered);
    return () => void this.#offers.delete(name);
  }

  #receive(socket: Socket): void {
    const { tls, withinMs } = this.#parts;
    let come: Buffer | undefined;
    const refuse = (reason: string): void => {
      socket.destroy();
      const peer = formatHostPort({ host: socket.remoteAddress ?? '?', port: socket.remotePort ?? 0 });
      this.#parts.onRefused(peer, reason);
    };
    const onError = (error: Error): void => refuse(error.message);
    const onTimeout = (): void => refuse('no handshake in time');
    const onEnd = (): void => refuse('it left before it had said who it is');
    const onData = (piece: Buffer): void => {
      come = come ? Buffer.concat([come, piece]) : piece;
      if (isOpening(come)) {
        if (come.length < OPENING_SIZE) return;
        const reason = this.#open(socket, come);
        if (reason !== undefined) refuse(reason);
        return;
      }
      socket.setTimeout(0);
      socket.off('error', onError).off('timeout', onTimeout).off('end', onEnd).off('data', onData);
      socket.pause();
      socket.unshift(come);
      tls.emit('connection', socket);
    };
    socket
      .setTimeout(withinMs)
      .on('error', onError)
      .on('timeout', onTimeout)
      .on('end', onEnd)
      .on('data', onData);
  }

  /** Why not; undefined when it is. */
  #open(socket: Socket, bytes: Buffer): string | undefined {
    const opening = readOpening(bytes);
    const offered = opening && this.#offers.get(opening.name);
    if (!offered) return 'it opens a lane of no link';
    const { index } = opening;
    if (index >= offered.count || offered.opened.has(index))
      return 'it opens a lane that there is not, or again';
    const keys = laneKeys(offered.secret, index);
    if (!isProved(bytes, keys.toHead)) return 'it opens a lane whose key it does not have';
    let fd: number;
    try {
      // Node's own ends without a word: the connection has another fd.
      fd = duplicateFd(listenerOf(socket));
    } catch (error) {
      return `its lane cannot be had: ${(error as Error).message}`;
    }
    offered.opened.add(index);
    socket.removeAllListeners('end').destroy();
    offered.onLane({ index, fd, keys });
    return undefined;
  }
}

/**
 * Anybody can connect and say nothing. Who has the secret has shown it after two round trips, and needs a place no longer
 * than that: a place is taken from the one that has had it longest, and refused to nobody.
 */
function limitStrangers(server: Server, tls: TlsServer): void {
  const strangers = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    strangers.add(socket);
    socket.once('close', () => strangers.delete(socket));
    if (strangers.size <= STRANGERS_MAX) return;
    const [oldest] = strangers;
    strangers.delete(oldest!);
    oldest!.destroy();
  });
  tls.on('secureConnection', (socket: TLSSocket) => {
    // It is made for a socket that was told of before; nothing but its ends says which.
    for (const stranger of strangers) {
      if (stranger.remotePort !== socket.remotePort || stranger.remoteAddress !== socket.remoteAddress)
        continue;
      strangers.delete(stranger);
      return;
    }
  });
}
