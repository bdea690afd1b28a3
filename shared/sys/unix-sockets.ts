/** Unix sockets: listen, connect, pairs, and who is at the other end (unix(7)). */
import { fchmodSync } from 'node:fs';
import { check, libc } from './libc.ts';
import { getOption, LENGTH_AT, OPTION_AT, readOption, SOL_SOCKET, small } from './socket-options.ts';
import { closeFd, listen } from './sockets.ts';

const c = {
  bind: libc.func('int bind(int, const void *, uint32_t)'),
  getsockname: libc.func('int getsockname(int, _Out_ void *, _Inout_ uint32_t *)'),
  connect: libc.func('int connect(int, const void *, uint32_t)'),
  socket: libc.func('int socket(int, int, int)'),
  socketpair: libc.func('int socketpair(int, int, int, _Out_ int *)'),
};

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_SEQPACKET = 5;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SO_TYPE = 3;
const SO_PEERCRED = 17;
const SO_PEERGROUPS = 59;
/** sun_path with its terminating zero (unix(7)). */
const UNIX_PATH_MAX = 108;
export const UNIX_PATH_BYTES = UNIX_PATH_MAX - 1;

/** Who is at the other end of a connected Unix socket, as the kernel saw it at connect (SO_PEERCRED, unix(7)). */
export function peerCredentials(fd: number): { pid: number; uid: number; gid: number } {
  const ucred = getOption(fd, SOL_SOCKET, SO_PEERCRED, 12);
  return { pid: ucred.getInt32(0, true), uid: ucred.getUint32(4, true), gid: ucred.getUint32(8, true) };
}

/** The supplementary groups of who is at the other end of a connected Unix socket, at most 256 (SO_PEERGROUPS, unix(7)). */
export function peerGroups(fd: number): number[] {
  if (readOption(fd, SOL_SOCKET, SO_PEERGROUPS, 1024) < 0) return [];
  const bytes = small.view.getUint32(LENGTH_AT, true);
  return Array.from({ length: bytes >> 2 }, (_, i) => small.view.getUint32(OPTION_AT + 4 * i, true));
}

/** The path that a Unix socket is bound to; undefined for one that has none, or is no Unix socket (getsockname(2)). */
export function unixPathOf(fd: number): string | undefined {
  const address = Buffer.alloc(2 + UNIX_PATH_MAX + 1);
  const length = [address.length];
  if (c.getsockname(fd, address, length) < 0 || address.readUInt16LE(0) !== AF_UNIX) return undefined;
  const path = address.subarray(2, address.indexOf(0, 2));
  return path.length === 0 ? undefined : path.toString();
}

/** SOCK_SEQPACKET or SOCK_STREAM, as `listenUnix` has it; undefined for any other (SO_TYPE, socket(7)). */
export function socketType(fd: number): 'stream' | 'seqpacket' | undefined {
  if (readOption(fd, SOL_SOCKET, SO_TYPE, 4) < 0) return undefined;
  const type = small.view.getUint32(OPTION_AT, true);
  return type === SOCK_STREAM ? 'stream' : type === SOCK_SEQPACKET ? 'seqpacket' : undefined;
}

function unixAddress(path: string): Buffer {
  const bytes = Buffer.from(path);
  if (bytes.length === 0 || bytes.length >= UNIX_PATH_MAX || bytes.includes(0)) {
    throw new RangeError(`a Unix socket path has 1 to ${UNIX_PATH_MAX - 1} bytes and no zero: ${path}`);
  }
  const address = Buffer.alloc(2 + bytes.length + 1);
  address.writeUInt16LE(AF_UNIX, 0);
  bytes.copy(address, 2);
  return address;
}

function unixSocket(type: 'stream' | 'seqpacket' | 'datagram'): number {
  const kind = { stream: SOCK_STREAM, seqpacket: SOCK_SEQPACKET, datagram: SOCK_DGRAM }[type];
  return check('socket', c.socket(AF_UNIX, kind | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

/** A listening Unix socket at `path`, mode 0600 from its first moment. The path must be free. */
export function listenUnix(path: string, type: 'stream' | 'seqpacket', backlog: number): number {
  const address = unixAddress(path);
  const fd = unixSocket(type);
  try {
    // The file gets the socket's own mode (net/unix/af_unix.c, unix_bind_bsd).
    fchmodSync(fd, 0o600);
    check('bind', c.bind(fd, address, address.length));
    listen(fd, backlog);
  } catch (error) {
    closeFd(fd);
    throw error;
  }
  return fd;
}

/** A Unix socket at `path` that datagrams come to, mode 0600 from its first moment. The path must be free. */
export function bindDatagram(path: string): number {
  const address = unixAddress(path);
  const fd = unixSocket('datagram');
  try {
    fchmodSync(fd, 0o600);
    check('bind', c.bind(fd, address, address.length));
  } catch (error) {
    closeFd(fd);
    throw error;
  }
  return fd;
}

/** What is sent through it are datagrams to the socket at `path`, which `@` begins where it is an abstract one (unix(7)). */
export function connectDatagram(path: string): number {
  const address = unixAddress(path);
  const isAbstract = path.startsWith('@');
  if (isAbstract) address.writeUInt8(0, 2);
  const fd = unixSocket('datagram');
  try {
    check('connect', c.connect(fd, address, isAbstract ? address.length - 1 : address.length));
  } catch (error) {
    closeFd(fd);
    throw error;
  }
  return fd;
}

/** A connected Unix socket. ECONNREFUSED: nobody listens there; EAGAIN: the listener's queue is full; EPROTOTYPE: of the other type. */
export function connectUnix(path: string, type: 'stream' | 'seqpacket'): number {
  const address = unixAddress(path);
  const fd = unixSocket(type);
  try {
    check('connect', c.connect(fd, address, address.length));
  } catch (error) {
    closeFd(fd);
    throw error;
  }
  return fd;
}

export const connectSeqpacket = (path: string): number => connectUnix(path, 'seqpacket');

/** Two connected SEQPACKET sockets, non-blocking and close-on-exec (socketpair(2)). */
export function seqpacketPair(): [number, number] {
  const pair = new Int32Array(2);
  check('socketpair', c.socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair));
  return [pair[0]!, pair[1]!];
}
