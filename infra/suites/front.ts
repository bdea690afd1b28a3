/** A head before one server of this process. */
import { AsyncResource } from 'node:async_hooks';
import type { AddressInfo, Server } from 'node:net';
import { type Receiver, receiveConnections } from '../../delivery/index.ts';
import type { Lease } from './lease.ts';

export { leaseHead } from './lease.ts';

/** What the typings do not tell of Node's server; `_listen2` opens the listener. */
export type ListeningServer = Server & {
  _handle: { constructor: { prototype: TcpHandle } } | null;
  _connectionKey: string;
  _listen2(
    this: ListeningServer,
    address: string | null,
    port: number,
    family: number,
    backlog: number,
    fd: number | null | undefined,
    flags: number,
  ): void;
};

interface ConnectRequest {
  oncomplete(status: number, handle: TcpHandle, request: object, readable: boolean, writable: boolean): void;
}
type Connect = (this: TcpHandle, request: ConnectRequest, host: string, port: number) => number;
interface TcpHandle {
  connect: Connect;
  connect6: Connect;
}

/** Ports of heads that no server is registered with yet. */
const opening = new Map<number, Promise<void>>();
let count = 0;

export class Front {
  readonly address: AddressInfo;
  readonly #lease: Lease;
  readonly #receiver: Receiver;
  #open = true;

  /** `server` listens, but nobody has been told. */
  constructor(server: ListeningServer, lease: Lease) {
    const { host: address, port } = lease;
    this.address = { address, family: address.includes(':') ? 'IPv6' : 'IPv4', port };
    this.#lease = lease;
    this.#receiver = receiveConnections(server, {
      head: lease.socket,
      name: `${process.pid}-${count++}`,
      direct: null,
    });
    const ready = this.#receiver.ready.catch(() => {}).finally(() => opening.delete(port));
    opening.set(port, ready);
    holdConnects(server._handle!.constructor.prototype);
    holdListening(server, ready, () => this.#open);
  }

  close(): void {
    this.#open = false;
    this.#lease.close();
    void this.#receiver.close();
  }
}

/** `listening` is told when the head knows the server: a client that comes from then on is served. */
function holdListening(server: Server, ready: Promise<void>, stillOpen: () => boolean): void {
  const { emit } = server;
  const own = Object.hasOwn(server, 'emit');
  server.emit = (event: string | symbol, ...args: unknown[]) => {
    if (event !== 'listening') return Reflect.apply(emit, server, [event, ...args]);
    if (own) server.emit = emit;
    else delete (server as Partial<Server>).emit;
    const tell = AsyncResource.bind(() => stillOpen() && void server.emit('listening'));
    // Not within the promise, which would make a rejection of what a listener throws.
    void ready.then(() => process.nextTick(tell));
    return true;
  };
}

let holding = false;

/** A client of this process that comes before `listening`, as it may after a plain `listen()`, waits until then. */
function holdConnects(prototype: TcpHandle): void {
  if (holding) return;
  holding = true;
  for (const name of ['connect', 'connect6'] as const) {
    const connect = prototype[name];
    prototype[name] = function (request, host, port) {
      const ready = opening.get(port);
      if (!ready) return connect.call(this, request, host, port);
      void ready.then(() => {
        const status = connect.call(this, request, host, port);
        if (status !== 0) request.oncomplete(status, this, request, false, false);
      });
      return 0;
    };
  }
}
