/**
 * Lets a server have a connection, as net.Server does with one that it has accepted itself (lib/net.js, onconnection):
 * the same options, the same accounts, the same events. What is read here of a server, and is not documented, is the same
 * in every supported release of Node.
 */
import { channel } from 'node:diagnostics_channel';
import { type BlockList, isIP, type Server, type Socket } from 'node:net';
import { Server as HttpServer } from '../shared/node-http.ts';
import { closeFd, endConnection } from '../shared/sys/sockets.ts';
import { type AdoptedHandle, AdoptedSocket, adoptHandle, type Endpoint, type Wishes } from './adopt.ts';
import type { Log } from './apart.ts';
import type { Arrival, Connections } from './connections.ts';
import { speaksHttp2, speaksTls } from './http-connections.ts';
import type { FirstInput } from './read-ahead.ts';

interface NetServer extends Server, Required<Wishes> {
  /** Connections that it counts: a socket takes itself off when it is destroyed. */
  _connections: number;
  /** Of an event with one listener that listener itself. */
  readonly _events?: { readonly connection?: unknown };
  readonly blockList?: BlockList;
}

/** What a socket knows of the server that it belongs to. */
type ServedSocket = AdoptedSocket & { server: Server; _server: Server };

const accepted = channel('net.server.socket');
/** The listener by which every HTTP server gets its connections. */
const [serveHttp] = new HttpServer().listeners('connection');

export class Admission {
  readonly #server: NetServer;
  readonly #connections: Connections;
  readonly #log: Log;
  readonly #onMoved: ((socket: Socket) => void) | undefined;
  /** Called with each that the server has, before its first input is its. Throws nothing. */
  watch: ((socket: AdoptedSocket, arrival: Arrival) => void) | undefined;
  /** What a handle's socket finds of it when it is made. */
  prepare: ((handle: AdoptedHandle) => void) | undefined;

  constructor(server: Server, connections: Connections, log: Log, onMoved?: (socket: Socket) => void) {
    this.#server = server as NetServer;
    this.#connections = connections;
    this.#log = log;
    this.#onMoved = onMoved;
  }

  /** Connections that the server has accepted itself. */
  get direct(): number {
    return Math.max(0, this.#server._connections - this.#connections.open);
  }

  /**
   * Nothing of the application runs between a connection's arrival and its first input: that input may then be read
   * before the server has the connection. Otherwise it might be for somebody else to read: a child process that is
   * given the socket, a TLS server that reads for itself.
   */
  get mayReadAhead(): boolean {
    const server = this.#server;
    try {
      if (server.pauseOnConnect || accepted.hasSubscribers || !(server instanceof HttpServer)) return false;
      return server._events?.connection === serveHttp;
    } catch {
      // It throws again where the connection is admitted, one at a time.
      return false;
    }
  }

  /** Takes over the fd. Undefined when it cannot be adopted: it is closed then. */
  adopt(fd: number, arrival: Arrival): AdoptedHandle | undefined {
    try {
      return adoptHandle(fd);
    } catch (error) {
      closeFd(fd);
      this.#connections.turnAway(arrival);
      const { delivery } = this.#connections;
      this.#log.warn({ delivery }, `cannot adopt a connection: ${(error as Error).message}`);
      return undefined;
    }
  }

  /** Closes a connection that the server is not to have. */
  refuse(handle: AdoptedHandle, arrival: Arrival): void {
    handle.close();
    this.#connections.turnAway(arrival);
  }

  /** The connection is the server's from now on. What the application throws is thrown, and all else has been done by then. */
  admit(handle: AdoptedHandle, input: FirstInput, arrival: Arrival): void {
    const server = this.#server;
    let socket: AdoptedSocket | 'full' | 'blocked';
    try {
      socket = this.#whyNot(handle) ?? this.#makeSocket(handle);
    } catch (error) {
      this.#turnAway(handle, arrival);
      throw error;
    }
    if (socket === 'full') return this.#drop(handle, arrival);
    if (socket === 'blocked') return this.#turnAway(handle, arrival);
    this.#connections.add(socket, handle, arrival);
    this.#count(socket);
    try {
      if (arrival.state === undefined) server.emit('connection', socket);
      else this.#emitMoved(socket);
      if (accepted.hasSubscribers) accepted.publish({ socket });
    } catch (error) {
      // Nobody would ever hear that its client has gone.
      if (isForgotten(socket) && !this.#isWrapped(socket)) socket.destroy();
      throw error;
    } finally {
      this.watch?.(socket, arrival);
      socket.give(input);
    }
  }

  /** It is none that begins with a request. */
  #emitMoved(socket: AdoptedSocket): void {
    if (this.#onMoved) return this.#onMoved(socket);
    const listeners = this.#server.listeners('connection').filter((listener) => listener !== serveHttp);
    for (const listener of listeners) listener.call(this.#server, socket);
    if (isForgotten(socket)) socket.destroy();
  }

  /** What reads by its handle, a TLSSocket or an HTTP/2 session, waits for the socket's `close`. */
  #isWrapped(socket: AdoptedSocket): boolean {
    const server = this.#server;
    return (speaksTls(server) || speaksHttp2(server)) && socket.listenerCount('close') > 0;
  }

  #whyNot(handle: AdoptedHandle): 'full' | 'blocked' | undefined {
    const { maxConnections, _connections: count, blockList } = this.#server;
    // Nothing here without a limit; `!= null` as Node has it.
    if (maxConnections != null && count >= maxConnections) return 'full';
    return blockList && isBlocked(handle, blockList) ? 'blocked' : undefined;
  }

  #makeSocket(handle: AdoptedHandle): AdoptedSocket {
    const server = this.#server;
    this.prepare?.(handle);
    const socket = new AdoptedSocket(handle, server);
    // The head has set TCP_NODELAY.
    if (!server.noDelay) handle.setNoDelay(false);
    if (server.keepAlive) handle.setKeepAlive(true, server.keepAliveInitialDelay);
    return socket;
  }

  #count(socket: AdoptedSocket): void {
    const server = this.#server;
    server._connections++;
    (socket as ServedSocket).server = server;
    (socket as ServedSocket)._server = server;
  }

  #turnAway(handle: AdoptedHandle, arrival: Arrival): void {
    endConnection(handle.fd);
    handle.close();
    this.#connections.turnAway(arrival);
  }

  #drop(handle: AdoptedHandle, arrival: Arrival): void {
    const local: Endpoint = {};
    const remote: Endpoint = {};
    handle.getsockname(local);
    handle.getpeername(remote);
    this.#turnAway(handle, arrival);
    this.#server.emit('drop', {
      localAddress: local.address,
      localPort: local.port,
      localFamily: local.family,
      remoteAddress: remote.address,
      remotePort: remote.port,
      remoteFamily: remote.family,
    });
  }
}

/** Nobody reads it, nor has said that somebody will. */
const isForgotten = (socket: AdoptedSocket): boolean =>
  socket.readableFlowing === null && socket.listenerCount('data') + socket.listenerCount('readable') === 0;

function isBlocked(handle: AdoptedHandle, blockList: BlockList): boolean {
  const { address } = peerOf(handle);
  const type = isIP(address ?? '');
  return type !== 0 && blockList.check(address!, type === 4 ? 'ipv4' : 'ipv6');
}

function peerOf(handle: AdoptedHandle): Endpoint {
  const remote: Endpoint = {};
  handle.getpeername(remote);
  return remote;
}
