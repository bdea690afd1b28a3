/** TCP listeners that share one address: each has its own accept queue, and the kernel spreads connections over them. */

import { lookup } from 'node:dns/promises';
import { createRequire } from 'node:module';
import { addressBytes, readAddress } from '../addresses.ts';
import { BatonError } from '../errors.ts';
import { formatHostPort, type HostPort } from '../units.ts';
import { bindTo, type Endpoint, localEndpoint, tcpSocketFor } from './endpoints.ts';
import { detachFilter } from './last-handshakes.ts';
import { errnoName, SystemError } from './libc.ts';
import {
  allowElsewhere,
  closeFd,
  isListening,
  setCloseOnExec,
  setNoDelay,
  setNonBlocking,
  setReuseAddress,
  setReusePort,
  tryListen,
} from './sockets.ts';

/** Loaded with the first listener that joins others: a delivery has none, nor has a head with one worker. */
const require = createRequire(import.meta.url);

/**
 * Sockets bound to one address (port 0: one that the kernel picks), close-on-exec and non-blocking. The first listens:
 * whoever connects from now on waits in its queue. The others are to follow.
 *
 * With SO_REUSEPORT from the start, a second head of the same user would join in unnoticed. So the first socket claims the
 * address without it: listen(2) checks for other listeners under the kernel's lock, however many try at the same moment
 * (net/ipv4/inet_connection_sock.c, inet_csk_listen_start), and nobody's visit reaches a socket that goes away again. From
 * then on it shares the address with the others, and with nobody who asks as it did. With SO_REUSEADDR the connections of
 * earlier servers, open or in TIME_WAIT, are in nobody's way, and accepted ones inherit it.
 *
 * `mayBeElsewhere`: the address may be another host's for now, and come here later (IP_FREEBIND, ip(7)).
 */
export async function bindReuseport(
  address: HostPort,
  count: number,
  { backlog = 4096, mayBeElsewhere = false }: { backlog?: number; mayBeElsewhere?: boolean } = {},
): Promise<{ fds: number[]; bound: HostPort }> {
  const host = await resolve(address);
  const fds: number[] = [];
  try {
    const { fd, port } = claim(host, address, backlog, mayBeElsewhere);
    fds.push(fd);
    if (count > 1) setReusePort(fd);
    while (fds.length < count) fds.push(joinAt(port, host, mayBeElsewhere));
    return { fds, bound: { host, port } };
  } catch (error) {
    fds.forEach(closeFd);
    throw error;
  }
}

/**
 * As `bindReuseport`, with listeners that are there already, and new ones for as many more as are wanted. There may be more of them
 * than are wanted: each has a queue, so that all are returned. Takes over their fds. Throws INHERITED_UNUSABLE.
 */
export async function joinListeners(
  given: readonly number[],
  address: HostPort,
  count: number,
  mayBeElsewhere = false,
): Promise<{ fds: number[]; bound: HostPort }> {
  const fds = [...given];
  try {
    const host = await resolve(address);
    const wanted = { host, port: address.port };
    const ports = given.map((fd) => portOf(fd, wanted));
    const port = ports[0]!;
    const other = ports.find((one) => one !== port);
    if (other !== undefined) throw unusable(wanted, `it has listeners at port ${port} and at port ${other}`);
    for (const fd of given) {
      setCloseOnExec(fd);
      setNonBlocking(fd);
      setNoDelay(fd);
      // Of whoever has stopped to accept from it.
      detachFilter(fd);
      if (fds.length < count) setReusePort(fd);
    }
    while (fds.length < count) fds.push(joinAt(port, host, mayBeElsewhere));
    return { fds, bound: { host, port } };
  } catch (error) {
    fds.forEach(closeFd);
    throw error;
  }
}

/** The caller's listener is at this address. Throws INHERITED_UNUSABLE, with the fd closed. */
export async function needListenerAt(fd: number, { host, port }: HostPort): Promise<void> {
  try {
    portOf(fd, { host: await resolve({ host, port }), port });
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}

const unusable = (wanted: HostPort, problem: string): BatonError =>
  new BatonError('INHERITED_UNUSABLE', { what: `the listeners for ${formatHostPort(wanted)}`, problem });

/** The port of a listener at an address, whose port may be 0 for any. */
function portOf(fd: number, wanted: HostPort): number {
  const end = isListening(fd) ? localEndpoint(fd) : 0;
  if (typeof end === 'number') throw unusable(wanted, `fd ${fd} is no TCP socket that listens`);
  const isSame = Buffer.compare(end.address, addressBytes(wanted.host)) === 0;
  if (isSame && (wanted.port === 0 || wanted.port === end.port)) return end.port;
  const { address, port } = end;
  const host = address.length === 4 ? address.join('.') : readAddress(Buffer.from(address), 0);
  const found = formatHostPort({ host, port });
  throw unusable(
    wanted,
    `fd ${fd} listens at ${found}; a listener keeps its address, so give that to --listen`,
  );
}

/** An IP address. */
async function resolve(address: HostPort): Promise<string> {
  try {
    return (await lookup(address.host)).address;
  } catch (error) {
    throw listenError(error as NodeJS.ErrnoException, address, '--listen');
  }
}

function claim(
  host: string,
  address: HostPort,
  backlog: number,
  mayBeElsewhere: boolean,
): { fd: number; port: number } {
  const wanted: Endpoint = { address: addressBytes(host), port: address.port };
  const failed = (errno: number): Error => {
    const code = errnoName(errno);
    return listenError(
      Object.assign(new Error(`cannot listen at ${host}: ${code}`), { code }),
      address,
      '--listen',
    );
  };
  const fd = tcpSocketFor(wanted);
  if (fd < 0) throw failed(fd);
  try {
    setReuseAddress(fd);
    setNoDelay(fd);
    if (mayBeElsewhere) allowElsewhere(fd, wanted.address.length === 16);
    const bound = bindTo(fd, wanted);
    if (bound < 0) throw failed(bound);
    const listening = tryListen(fd, backlog);
    if (listening < 0) throw failed(listening);
    return { fd, port: (localEndpoint(fd) as Endpoint).port };
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}

function joinAt(port: number, host: string, mayBeElsewhere: boolean): number {
  if (mayBeElsewhere) return joinElsewhere({ address: addressBytes(host), port });
  const { createReuseportFd } = require('node-unix-socket') as typeof import('node-unix-socket');
  const fd = createReuseportFd(port, host);
  // The package leaves the fd inheritable and blocking.
  setCloseOnExec(fd);
  setNonBlocking(fd);
  setNoDelay(fd);
  return fd;
}

/** As the package does, which knows nothing of addresses that are elsewhere. */
function joinElsewhere(at: Endpoint): number {
  const fd = tcpSocketFor(at);
  if (fd < 0) throw new SystemError('socket', -fd);
  setReuseAddress(fd);
  setReusePort(fd);
  setNoDelay(fd);
  allowElsewhere(fd, at.address.length === 16);
  const bound = bindTo(fd, at);
  if (bound >= 0) return fd;
  closeFd(fd);
  throw new SystemError('bind', -bound);
}

/** Node's error from listen(), as one of the catalogue. `option` is what a person would change. */
export function listenError(error: NodeJS.ErrnoException, address: HostPort, option: string): Error {
  const shown = formatHostPort(address);
  switch (error.code) {
    case 'EADDRINUSE':
      return new BatonError('PORT_IN_USE', { address: shown, option }, error);
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EAFNOSUPPORT':
      return new BatonError('ADDRESS_UNAVAILABLE', { address: shown, option, problem: error.code }, error);
    case 'EACCES':
      return new BatonError('PORT_FORBIDDEN', { address: shown }, error);
    default:
      return error;
  }
}
