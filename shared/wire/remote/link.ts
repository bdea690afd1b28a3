/**
 * The control channel between a head and a remote delivery: TLS 1.3 with a pre-shared key, so that each side knows that
 * the other has the secret and nobody between them can read or change a word (RFC 8446 section 2.2). No certificates.
 *
 * A link is silent about nothing: a peer that has the wrong secret, sends what is no frame, or is not heard for the
 * idle time is reported once, with a reason, and the connection is gone.
 */
import { createHash } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { BatonError } from '../../errors.ts';
import { listenerOf } from '../../sys/listener-of.ts';
import { listenError, needListenerAt } from '../../sys/reuseport.ts';
import { closeFd, duplicateFd } from '../../sys/sockets.ts';
import { formatHostPort, type HostPort } from '../../units.ts';
import { encodeFrame, FrameReader } from './frames.ts';
import { FrontDoor, type LaneOffer } from './front-door.ts';
import type { LaneSocket } from './lane-socket.ts';
import { openLane } from './open-lane.ts';

/** Names the protocol, not a person: whoever has the secret is let in. */
const IDENTITY = 'baton';
const TLS = { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3', ciphers: 'TLS_AES_128_GCM_SHA256' } as const;
const HANDSHAKE_WITHIN_MS = 5000;
/** Unsent bytes above which a peer that does not read is dropped. */
const UNSENT_MAX = 64 << 20;
/** What both sides of a link can derive, and nobody else (RFC 8446 section 7.5): the keys of its lanes come from it. */
const LANES_LABEL = 'EXPORTER-baton-lanes';
const LANES_SECRET_SIZE = 32;

export interface Link {
  /** HOST:PORT of the other side. */
  readonly peer: string;
  /** False when the link has ended: the message went nowhere. */
  send(message: object): boolean;
  /** Calls `work` with each: what it sends for one alone leaves at once, for several together. */
  together<T>(items: readonly T[], work: (item: T) => void): void;
  /** Sends what is queued, then closes. Calls no handler any more. */
  end(): void;
  /** Closes at once. Calls no handler any more. */
  close(): void;
}

/** At the head: the delivery may open lanes, as long as the link lasts. Once. */
export interface ServerLink extends Link {
  offerLanes(offer: LaneOffer): void;
}

/** At the delivery, where the head has offered them. Rejects as openLane does. */
export interface ClientLink extends Link {
  openLane(index: number): Promise<LaneSocket>;
}

export interface LinkHandlers {
  /** Decoded, not checked. What it throws ends the link. */
  onMessage(message: unknown): void;
  /** It has ended, by the other side, by its fault, or by silence; called once. */
  onEnd(reason: string, how: LinkEnd): void;
}

export type LinkEnd =
  /** The other side has closed it, as its kernel does when its process ends, and all that it had sent was read. */
  | 'closed'
  /** The same with input unread, or something between the two did it; what had been sent last may be lost. */
  | 'reset'
  /** The other side may not know it yet. */
  | 'broken';

export interface LinkOptions {
  readonly secret: Buffer;
  /** Nothing heard for this long ends the link, milliseconds; the protocol's pings have to keep it alive. */
  readonly idleMs: number;
  /** For one that is connected: the process may end while it is open, or on its way. */
  readonly unref?: boolean;
}

/** A key of the length that the cipher's hash has, from a secret of any length (RFC 9257 asks for a key of its own use). */
const keyOf = (secret: Buffer): Buffer =>
  createHash('sha256').update('baton link v1\0').update(secret).digest();

const lanesSecret = (socket: TLSSocket): Buffer =>
  socket.exportKeyingMaterial(LANES_SECRET_SIZE, LANES_LABEL, Buffer.alloc(0));

function openLink(socket: TLSSocket, idleMs: number, handlers: LinkHandlers): Link {
  const reader = new FrameReader();
  const peer = formatHostPort({ host: socket.remoteAddress ?? '?', port: socket.remotePort ?? 0 });
  let open = true;

  function finish(reason: string | undefined, how: LinkEnd = 'broken'): void {
    if (!open) return;
    open = false;
    socket.destroy();
    if (reason !== undefined) handlers.onEnd(reason, how);
  }

  socket.setNoDelay(true);
  socket.setTimeout(idleMs, () => finish(`nothing was heard for ${idleMs} ms`));
  socket.on('error', (error: NodeJS.ErrnoException) =>
    finish(error.message, error.code === 'ECONNRESET' || error.code === 'EPIPE' ? 'reset' : 'broken'),
  );
  socket.on('end', () => finish('the other side closed it', 'closed'));
  socket.on('close', () => finish('it was cut'));
  socket.on('data', (piece: Buffer) => {
    try {
      together(reader.push(piece), (message) => {
        if (open) handlers.onMessage(message);
      });
    } catch (error) {
      finish((error as Error).message);
    }
  });

  /** Each write is a TLS record, and a system call. */
  function together<T>(items: readonly T[], work: (item: T) => void): void {
    if (items.length === 1) return work(items[0]!);
    socket.cork();
    try {
      for (const item of items) work(item);
    } finally {
      socket.uncork();
    }
  }

  return {
    peer,
    together,
    send(message) {
      if (!open) return false;
      socket.write(encodeFrame(message));
      if (socket.writableLength > UNSENT_MAX) finish('the other side does not read');
      return open;
    },
    end() {
      if (!open) return;
      open = false;
      socket.end();
      socket.setTimeout(HANDSHAKE_WITHIN_MS, () => socket.destroy());
    },
    close: () => finish(undefined),
  };
}

export interface LinkServer {
  readonly address: HostPort;
  /** Of the listener; it stays the server's. */
  readonly fd: number;
  /** Lets nobody in for a while: who comes waits, or comes to another process that listens with the same socket. */
  pause(): void;
  /** After `pause`, else of no effect. */
  resume(): void;
  /** Accepts no more; links that there are go on. */
  close(): Promise<void>;
}

export interface LinkServerHandlers {
  /** The handlers of a new link. */
  onLink(link: ServerLink): LinkHandlers;
  /** Somebody who could not prove to have the secret, or spoke no TLS. */
  onRefused(peer: string, reason: string): void;
}

/**
 * Listens for deliveries, with a socket that does so at the address already where there is one. Throws as listenError does;
 * `option` is what a person would change.
 */
export async function listenForLinks(
  address: HostPort,
  option: string,
  { secret, idleMs }: LinkOptions,
  handlers: LinkServerHandlers,
  inherited?: number,
): Promise<LinkServer> {
  const psk = keyOf(secret);
  const tls = createServer({
    ...TLS,
    handshakeTimeout: HANDSHAKE_WITHIN_MS,
    pskCallback: (_socket, identity) => (identity === IDENTITY ? psk : null),
  });
  const door = new FrontDoor({ tls, withinMs: HANDSHAKE_WITHIN_MS, onRefused: handlers.onRefused });
  const { server } = door;
  tls.on('tlsClientError', (error, socket) => {
    const peer = formatHostPort({ host: socket.remoteAddress ?? '?', port: socket.remotePort ?? 0 });
    handlers.onRefused(peer, explain(error));
    socket.destroy();
  });
  tls.on('secureConnection', (socket) => {
    // The handlers need the link, and the link the handlers: what comes before both are there does not exist yet.
    const late: { handlers?: LinkHandlers } = {};
    const link = openLink(socket, idleMs, {
      onMessage: (message) => late.handlers?.onMessage(message),
      onEnd: (reason, how) => late.handlers?.onEnd(reason, how),
    });
    const offerLanes = (offer: LaneOffer): void => {
      const end = door.offer(lanesSecret(socket), offer);
      socket.once('close', end);
    };
    late.handlers = handlers.onLink({ ...link, offerLanes });
  });
  if (inherited !== undefined) await needListenerAt(inherited, address);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, address, option)));
    server.listen(inherited === undefined ? address : { fd: inherited }, resolve);
  });
  const { address: host, port } = server.address() as AddressInfo;
  /** While it is paused. */
  let kept: number | undefined;
  return {
    address: { host, port },
    get fd() {
      return kept ?? listenerOf(server);
    },
    pause() {
      if (kept !== undefined) return;
      kept = duplicateFd(listenerOf(server));
      server.close();
    },
    resume() {
      if (kept === undefined) return;
      server.listen({ fd: kept });
      kept = undefined;
    },
    close() {
      if (kept !== undefined) closeFd(kept);
      if (kept !== undefined) return Promise.resolve();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

/** Connects to a head. Throws LINK_FAILED, and LINK_REFUSED for a wrong secret. */
export function connectLink(
  address: HostPort,
  { secret, idleMs, unref }: LinkOptions,
  handlers: LinkHandlers,
): Promise<ClientLink> {
  const psk = keyOf(secret);
  return new Promise((resolve, reject) => {
    const socket = connect({
      ...TLS,
      host: address.host,
      port: address.port,
      pskCallback: () => ({ psk, identity: IDENTITY }),
      // There is no certificate: the key alone says who the other side is.
      checkServerIdentity: () => undefined,
    });
    if (unref) socket.unref();
    const fail = (error: Error): void => {
      socket.destroy();
      const code = hasWrongSecret(error) ? 'LINK_REFUSED' : 'LINK_FAILED';
      reject(new BatonError(code, { address: formatHostPort(address), problem: explain(error) }, error));
    };
    socket.setTimeout(HANDSHAKE_WITHIN_MS, () => fail(new Error('no answer in time')));
    const cut = () => fail(new Error('it was cut'));
    socket.once('error', fail);
    socket.once('close', cut);
    socket.once('secureConnect', () => {
      socket.off('error', fail);
      socket.off('close', cut);
      const link = openLink(socket, idleMs, handlers);
      const secret = lanesSecret(socket);
      resolve({ ...link, openLane: (index) => openLane(address, secret, index) });
    });
  });
}

const codeOf = (error: Error): string => (error as NodeJS.ErrnoException).code ?? '';

const hasWrongSecret = (error: Error): boolean =>
  /BINDER_DOES_NOT_VERIFY|DECRYPT_ERROR|NO_SHARED_CIPHER|HANDSHAKE_FAILURE/.test(codeOf(error));

/** OpenSSL's words for the two mistakes that people make. */
function explain(error: Error): string {
  const code = codeOf(error);
  if (hasWrongSecret(error)) return 'the secrets of the two sides differ';
  if (/WRONG_VERSION_NUMBER|UNSUPPORTED_PROTOCOL|HTTP_REQUEST|PACKET_LENGTH/.test(code)) {
    return 'the other side does not speak this protocol';
  }
  return error.message.split('\n')[0]!;
}
