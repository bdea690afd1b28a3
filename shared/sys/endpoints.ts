/** The two ends of a TCP connection, as bytes: read off a socket, and given to a new one. */
import { lastErrno, libc } from './libc.ts';
import { allocate } from './memory.ts';

const c = {
  bind: libc.func('int bind(int, intptr_t, uint32_t)'),
  connect: libc.func('int connect(int, intptr_t, uint32_t)'),
  getpeername: libc.func('int getpeername(int, intptr_t, intptr_t)'),
  setsockopt: libc.func('int setsockopt(int, int, int, intptr_t, uint32_t)'),
  getsockname: libc.func('int getsockname(int, intptr_t, intptr_t)'),
  socket: libc.func('int socket(int, int, int)'),
};

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;

export interface Endpoint {
  /** 4 bytes or 16. */
  readonly address: Uint8Array;
  readonly port: number;
  /** An IPv4 address of an IPv6 socket: whoever uses the socket sees it as ::ffff:a.b.c.d. */
  readonly mapped?: true;
}

/** socket(2): this host has no IPv6. */
export const EAFNOSUPPORT = -97;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;

const memory = allocate(4096);
const { bytes, view, address } = memory;
const LENGTH_AT = 128;
/** struct sockaddr_in is family 0, port 2, address 4; sockaddr_in6 is family 0, port 2, flow 4, address 8, scope 24. */
const SIZE_V4 = 16;
const SIZE_V6 = 28;

/** An IPv4 connection of a dual-stack socket is given as IPv4, and `mapped`. -errno on failure, and for what is no IP socket. */
function read(call: typeof c.getpeername, fd: number): Endpoint | number {
  view.setUint32(LENGTH_AT, 128, true);
  if (call(fd, address, address + LENGTH_AT) < 0) return -lastErrno();
  const port = view.getUint16(2, false);
  const family = view.getUint16(0, true);
  if (family !== AF_INET && family !== AF_INET6) return EAFNOSUPPORT;
  if (family === AF_INET) return { address: Uint8Array.from(bytes.subarray(4, 8)), port };
  const isMapped = view.getUint32(16, false) === 0xffff && view.getBigUint64(8, false) === 0n;
  if (isMapped) return { address: Uint8Array.from(bytes.subarray(20, 24)), port, mapped: true };
  return { address: Uint8Array.from(bytes.subarray(8, 24)), port };
}

/** ENOTCONN: not connected (any more). */
export const peerEndpoint = (fd: number): Endpoint | number => read(c.getpeername, fd);
export const localEndpoint = (fd: number): Endpoint | number => read(c.getsockname, fd);

/** fe80::/10: means something only together with a network card of its own host (RFC 4007). */
export const isLinkLocal = ({ address: bytes }: Endpoint): boolean =>
  bytes.length === 16 && bytes[0] === 0xfe && (bytes[1]! & 0xc0) === 0x80;

function write({ address: from, port, mapped }: Endpoint): number {
  const isV4 = from.length === 4 && !mapped;
  bytes.fill(0, 0, SIZE_V6);
  view.setUint16(0, isV4 ? AF_INET : AF_INET6, true);
  view.setUint16(2, port, false);
  if (mapped) view.setUint16(18, 0xffff, true);
  bytes.set(from, isV4 ? 4 : mapped ? 20 : 8);
  return isV4 ? SIZE_V4 : SIZE_V6;
}

/** A TCP socket for addresses like this one, non-blocking and close-on-exec; or -errno. */
export function tcpSocketFor({ address: like, mapped }: Endpoint): number {
  const family = like.length === 4 && !mapped ? AF_INET : AF_INET6;
  const fd = c.socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -lastErrno();
  // A host may have it otherwise (net.ipv6.bindv6only).
  if (mapped) {
    view.setUint32(LENGTH_AT, 0, true);
    c.setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, address + LENGTH_AT, 4);
  }
  return fd;
}

export function bindTo(fd: number, endpoint: Endpoint): number {
  const size = write(endpoint);
  return c.bind(fd, address, size) < 0 ? -lastErrno() : 0;
}

/** Ends the socket's connection; in repair mode without a word to the peer. Whoever reads it finds ECONNABORTED (connect(2)). */
export function disconnect(fd: number): number {
  bytes.fill(0, 0, SIZE_V4);
  return c.connect(fd, address, SIZE_V4) < 0 ? -lastErrno() : 0;
}

export function connectTo(fd: number, endpoint: Endpoint): number {
  const size = write(endpoint);
  return c.connect(fd, address, size) < 0 ? -lastErrno() : 0;
}
