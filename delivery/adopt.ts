/**
 * A connected TCP fd as a net.Socket, for what an accepted connection costs. `new Socket({ fd })` first asks the kernel
 * four times what kind of file the fd is, before it opens a TCP handle; here that is known. The class of such handles
 * is not public: it is learned from the first socket, which is made the public way, and so is every other one if Node
 * should ever hide it.
 */
import { Socket } from 'node:net';
import { EAGAIN, ENOTCONN, errnoName } from '../shared/sys/libc.ts';
import { endWriting } from '../shared/sys/sockets.ts';
import type { FirstInput } from './read-ahead.ts';

interface TcpHandle {
  /** Takes over a connected socket; 0 or a negative errno. */
  open(fd: number): number;
  close(): void;
  /** Negative when it has none. */
  readonly fd: number;
}
type HandleClass = new (type: number) => TcpHandle;

/** TCP.SOCKET, as against a server's handle. */
const SOCKET = 0;

let Handle: HandleClass | undefined;

/** A socket whose first input was read before it was made, and that is ended for less. */
export class AdoptedSocket extends Socket {
  ahead = 0;

  /**
   * Lets `use` have it, and it that input. What failed to be read fails for it, as it would for somebody who reads himself.
   * `listens`: whoever uses it listens to its data from then on, which costs less than to find it there.
   */
  begin(input: FirstInput, use: () => void, listens: boolean): void {
    if (typeof input === 'number') {
      use();
      // The end of input is found again by the next read; an error is told only once.
      if (input < 0 && input !== EAGAIN) this.destroy(callError('read', input));
      return;
    }
    this.ahead = input.length;
    if (!listens) this.push(input);
    use();
    if (listens && !this.destroyed) this.push(input);
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
    callback(result === 0 || result === ENOTCONN ? null : callError('shutdown', result));
  }
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

/** Throws when the fd cannot be adopted; it is the caller's then. */
export function adoptSocket(fd: number, allowHalfOpen: boolean): AdoptedSocket {
  const options = { readable: true, writable: true, allowHalfOpen };
  if (!Handle) {
    const socket = new AdoptedSocket({ ...options, fd });
    Handle = classOfHandle(socket);
    return socket;
  }
  const handle = new Handle(SOCKET);
  const error = handle.open(fd);
  if (error < 0) {
    handle.close();
    throw new Error(`cannot open fd ${fd}: ${errnoName(error)}`);
  }
  // `handle` is how net.Server makes sockets of what it accepts; the typings do not say so.
  return new AdoptedSocket({ ...options, handle } as object);
}

const handleOf = (socket: Socket) => (socket as Socket & { _handle?: Partial<TcpHandle> & object })._handle;

function classOfHandle(socket: Socket): HandleClass | undefined {
  const handle = handleOf(socket);
  return handle?.constructor.name === 'TCP' && typeof handle.open === 'function'
    ? (handle.constructor as HandleClass)
    : undefined;
}
