/**
 * A connected TCP fd as a net.Socket, for what an accepted connection costs. `new Socket({ fd })` first asks the kernel
 * four times what kind of file the fd is, before it opens a TCP handle; here that is known. The class of such handles
 * is not public: it is learned from the first socket, which is made the public way, and so is every other one if Node
 * should ever hide it.
 */
import { Socket } from 'node:net';
import { getSystemErrorName } from 'node:util';

interface TcpHandle {
  /** Takes over a connected socket; 0 or a negative errno. */
  open(fd: number): number;
  close(): void;
}
type HandleClass = new (type: number) => TcpHandle;

/** TCP.SOCKET, as against a server's handle. */
const SOCKET = 0;

let Handle: HandleClass | undefined;

/** Throws when the fd cannot be adopted; it is the caller's then. */
export function adoptSocket(fd: number, allowHalfOpen: boolean): Socket {
  const options = { readable: true, writable: true, allowHalfOpen };
  if (!Handle) {
    const socket = new Socket({ ...options, fd });
    Handle = classOfHandle(socket);
    return socket;
  }
  const handle = new Handle(SOCKET);
  const error = handle.open(fd);
  if (error < 0) {
    handle.close();
    throw new Error(`cannot open fd ${fd}: ${getSystemErrorName(error)}`);
  }
  // `handle` is how net.Server makes sockets of what it accepts; the typings do not say so.
  return new Socket({ ...options, handle } as object);
}

function classOfHandle(socket: Socket): HandleClass | undefined {
  const { _handle: handle } = socket as Socket & { _handle?: Partial<TcpHandle> & object };
  return handle?.constructor.name === 'TCP' && typeof handle.open === 'function'
    ? (handle.constructor as HandleClass)
    : undefined;
}
