/**
 * A connected TCP fd as a net.Socket, for what an accepted connection costs. `new Socket({ fd })` first asks the kernel
 * four times what kind of file the fd is, before it opens a TCP handle; here that is known. The class of such handles
 * is not public: it is learned from a socket that is made the public way.
 *
 * Who counts a connection is told of its end by the handle, as which it is open: a socket's `close` event is the
 * application's, who may remove the listeners of it, give the handle to a child process, or take it away from the socket.
 */
import { EventEmitter } from 'node:events';
import { Socket } from 'node:net';
import { tcpSocketFor } from '../shared/sys/endpoints.ts';
import { EAGAIN, ENOTCONN, errnoName } from '../shared/sys/libc.ts';
import { endConnection, endWriting, resetConnection } from '../shared/sys/sockets.ts';
import type { FirstInput } from './read-ahead.ts';

/** What Node has of a TCP socket. */
interface TcpHandle {
  /** Takes over a connected socket; 0 or a negative errno. */
  open(fd: number): number;
  close(callback?: () => void): void;
  /** Closes with a reset; 0 or a negative errno. */
  reset(callback?: () => void): number;
  readStop(): number;
  readStart(): number;
  /** Kept by Node's sockets. */
  reading: boolean;
  setNoDelay(on: boolean): number;
  /** `delay` in seconds. */
  setKeepAlive(on: boolean, delay: number): number;
  getsockname(into: Endpoint): number;
  getpeername(into: Endpoint): number;
  /** Negative when it has none. */
  readonly fd: number;
}
type HandleClass = { new (type: number): TcpHandle; readonly prototype: TcpHandle };

export interface Endpoint {
  address?: string;
  port?: number;
  family?: string;
}

/** Who is told, once, that a connection is over for this process. */
export interface Holder {
  closed(): void;
}

/** Who looks at what comes before it is read (requests/). */
export interface Watcher {
  /** The server has read the first byte of a request. */
  messageBegins(): void;
  /** It was held, and is no more. */
  released(): void;
  /** It is about to be closed. */
  leaves(): void;
}

const HEAD_END = Buffer.from('\r\n\r\n');
const [CR, LF, ZERO] = Buffer.from('\r\n0');
/** TCP.SOCKET, as opposed to a server's handle. */
const SOCKET = 0;

const handleOf = (socket: Socket) => (socket as Socket & { _handle?: TcpHandle | null })._handle;

function learnHandleClass(): HandleClass {
  const fd = tcpSocketFor({ address: new Uint8Array(4), port: 0 });
  if (fd < 0) throw new Error(`cannot make a TCP socket: ${errnoName(fd)}`);
  const socket = new Socket({ fd, readable: false, writable: false });
  const handle = handleOf(socket)!;
  socket.destroy();
  return handle.constructor as HandleClass;
}

/** A handle that tells its holder when it is closed, whoever closes it. */
export interface AdoptedHandle extends TcpHandle {
  holder: Holder | undefined;
  watcher: Watcher | undefined;
}

const Handle = learnHandleClass();
const { close: closeHandle, reset: resetHandle } = Handle.prototype;

function closeAndTell(this: AdoptedHandle, callback?: () => void): void {
  this.watcher?.leaves();
  closeHandle.call(this, callback);
  tellHolder(this);
}

function resetAndTell(this: AdoptedHandle, callback?: () => void): number {
  this.watcher?.leaves();
  const result = resetHandle.call(this, callback);
  if (result === 0) tellHolder(this);
  return result;
}

function tellHolder(handle: AdoptedHandle): void {
  const { holder } = handle;
  handle.holder = undefined;
  holder?.closed();
}

/**
 * Takes over the fd. Throws when it cannot be adopted; it is the caller's then. (Methods of its own, where a class that extends
 * the handle's would look better: V8 makes an object of a class that extends one of the engine's at nearly twice the price,
 * 0.4 us more.)
 */
export function adoptHandle(fd: number): AdoptedHandle {
  const handle = new Handle(SOCKET) as AdoptedHandle;
  const error = handle.open(fd);
  if (error !== 0) {
    handle.close();
    throw new Error(`cannot open fd ${fd}: ${errnoName(error)}`);
  }
  handle.holder = undefined;
  handle.watcher = undefined;
  handle.close = closeAndTell;
  handle.reset = resetAndTell;
  return handle;
}

/** What a net.Server wishes of its sockets, which is itself. */
export interface Wishes {
  readonly allowHalfOpen?: boolean;
  readonly pauseOnConnect?: boolean;
  readonly noDelay?: boolean;
  readonly keepAlive?: boolean;
  /** Seconds. */
  readonly keepAliveInitialDelay?: number;
  readonly highWaterMark?: number;
}

/** A socket whose first input was read before it was made, and that is ended for less, and at once. */
export class AdoptedSocket extends Socket {
  /** Bytes that were not read by its handle. */
  ahead = 0;
  /** What is to come of these in a moment. Not private: it is asked for while the socket is being made. */
  withheld: Buffer | undefined = undefined;
  /** It is held still (held.ts), and somebody else may have its connection. */
  isHeld = false;
  watcher: Watcher | undefined = undefined;
  #handle: AdoptedHandle | undefined;
  #hasEnded = false;

  constructor(handle: AdoptedHandle, wishes: Wishes = {}) {
    // All at once, for whatever is put together is copied again by each that it passes. `handle` and `pauseOnCreate` are how
    // net.Server makes sockets of what it accepts; the typings do not say so.
    super({
      handle,
      readable: true,
      writable: true,
      allowHalfOpen: wishes.allowHalfOpen,
      pauseOnCreate: wishes.pauseOnConnect,
      readableHighWaterMark: wishes.highWaterMark,
      writableHighWaterMark: wishes.highWaterMark,
      noDelay: wishes.noDelay,
      keepAlive: wishes.keepAlive,
      keepAliveInitialDelay: (wishes.keepAliveInitialDelay ?? 0) * 1000,
    } as object);
    this.#handle = handle;
  }

  /** Until it is closed. */
  get adopted(): AdoptedHandle {
    return this.#handle!;
  }

  /** False once the application has taken the handle from it, and once that is closed. */
  get ownsHandle(): boolean {
    return this.#handle !== undefined && handleOf(this) === this.#handle;
  }

  /**
   * Its handle is closed. V8 keeps what a socket points at for longer than the socket (Node's streams have a function each that is
   * old from the start: lib/internal/streams/writable.js, `onwrite`), so it lets go of what it can.
   */
  forgetHandle(): void {
    this.#handle = undefined;
  }

  /**
   * What was read for it, before it was made or since. What failed to be read fails for it, as it would for somebody who reads himself.
   *
   * A request's head comes alone, and what follows it when nextTicks and promises have settled, before the event loop goes
   * on. Where Node reads for itself it lets them settle before it tells that a body has ended; here it could not, and a
   * request that has ended before anybody began to read it counts as unwanted: what is unread when its answer is
   * finished is thrown away. All comes at once where the application hears of what is no HTTP (`clientError`), which it
   * may leave open, and would hear of twice.
   */
  give(input: FirstInput): void {
    if (typeof input === 'object') {
      this.ahead += input.length;
      if (this.destroyed) return;
      const end = endsAsHead(input) ? 0 : input.indexOf(HEAD_END) + HEAD_END.length;
      if (end < HEAD_END.length || end === input.length || this.#hearsOfErrors) this.push(input);
      else {
        this.#withhold(input.subarray(end));
        this.push(input.subarray(0, end));
      }
    } else if (input < 0 && input !== EAGAIN) {
      // The end of input is found again by the next read; an error is told only once.
      this.destroy(callError('read', input));
    }
  }

  get #hearsOfErrors(): boolean {
    const { server } = this as { server?: EventEmitter | null };
    // Not the application's method, should it have one: this is no place for an exception.
    return server ? EventEmitter.prototype.listenerCount.call(server, 'clientError') > 0 : false;
  }

  /** Nothing is read meanwhile: what the application throws puts off all that has to settle. */
  #withhold(input: Buffer): void {
    const handle = this.adopted;
    this.withheld = input;
    handle.reading = false;
    handle.readStop();
    queueMicrotask(() =>
      process.nextTick(() => {
        this.withheld = undefined;
        if (!this.destroyed) this.push(input);
      }),
    );
  }

  override _read(size: number): void {
    if (this.withheld === undefined) super._read(size);
  }

  /**
   * All is written. As Node's own, but for what it costs: here nothing is left in libuv's queue, so that the end of input
   * can be sent at once, without a request, and a turn of the event loop until that is answered. (To leave it to close(2)
   * would be cheaper still, and would make the client wait for everybody who has a copy of the fd, the head for one.)
   */
  override _final(callback: (error?: Error | null) => void): void {
    const fd = handleOf(this)?.fd ?? -1;
    if (fd < 0) return super._final(callback);
    const result = endWriting(fd);
    this.#hasEnded = result === 0;
    callback(result === 0 || result === ENOTCONN ? null : callError('shutdown', result));
  }

  /** The application has given a copy of it to another process, which goes on with it when this one closes its own. */
  get isShared(): boolean {
    const { server } = this as { server?: { _usingWorkers?: boolean } | null };
    if (server?._usingWorkers) return true;
    return Object.getOwnPropertySymbols(this).some(({ description }) => description === 'kIsUsedAsStdio');
  }

  /** The client hears of it now, and not when the last copy of the fd is closed: a head that is stopped has one. */
  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    const handle = handleOf(this);
    if (handle && handle.fd >= 0 && !this.#hasEnded && !this.isShared && !this.isHeld) {
      if ((this as { resetAndClosing?: boolean }).resetAndClosing) resetConnection(handle.fd);
      else endConnection(handle.fd);
    }
    // To reset it would leave an option on what another may have.
    if (this.isHeld) (this as { resetAndClosing?: boolean }).resetAndClosing = false;
    super._destroy(error, callback);
    // What has been moved to another thread (postMessage takes the handle, then destroys the socket) is never closed here.
    const taken = handle ? undefined : this.#handle;
    if (taken) setImmediate(() => taken.fd < 0 && tellHolder(taken));
  }
}

/** As nearly all that is read does, which need not be searched then; and what ends as the last chunk of a body does not. */
function endsAsHead(input: Buffer): boolean {
  const at = input.length - HEAD_END.length;
  return (
    input[at] === CR &&
    input[at + 2] === CR &&
    input[at + 1] === LF &&
    input[at + 3] === LF &&
    input[at - 1] !== ZERO
  );
}

/** A property by its typings, which a class could not make an accessor; Node's is an accessor of the prototype. */
const ofHandle = Object.getOwnPropertyDescriptor(Socket.prototype, 'bytesRead')!.get!;
Object.defineProperty(AdoptedSocket.prototype, 'bytesRead', {
  configurable: true,
  get(this: AdoptedSocket) {
    return ofHandle.call(this) + this.ahead;
  },
});

/** As Node makes it of a call that fails. */
function callError(syscall: string, errno: number): Error {
  const code = errnoName(errno);
  return Object.assign(new Error(`${syscall} ${code}`), { errno, code, syscall });
}
