/** TCP listeners that share one address: each has its own accept queue, and the kernel spreads connections over them. */

import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { createReuseportFd } from 'node-unix-socket';
import { BatonError } from '../errors.ts';
import { formatHostPort, type HostPort } from '../units.ts';
import { closeFd, setCloseOnExec, setNoDelay, setNonBlocking } from './sockets.ts';

/**
 * Binds `count` sockets to one address (port 0: one that the kernel picks). They do not listen yet. SO_REUSEPORT lets
 * a second head of the same user join in unnoticed, so the address is first opened alone; that also gives errors
 * with their names, which the package's own lack.
 */
export async function bindReuseport(
  address: HostPort,
  count: number,
): Promise<{ fds: number[]; bound: HostPort }> {
  const bound = await probe(address);
  const fds: number[] = [];
  try {
    for (let i = 0; i < count; i++) {
      const fd = createReuseportFd(bound.port, bound.host);
      fds.push(fd);
      // The package leaves the fd inheritable and blocking.
      setCloseOnExec(fd);
      setNonBlocking(fd);
      setNoDelay(fd);
    }
  } catch (error) {
    fds.forEach(closeFd);
    throw error;
  }
  return { fds, bound };
}

/** Opens and closes a listener of our own: resolves a name and port 0, and finds an address that is taken. */
function probe(address: HostPort): Promise<HostPort> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, address, '--listen')));
    server.listen({ host: address.host, port: address.port, exclusive: true }, () => {
      const { address: host, port } = server.address() as AddressInfo;
      server.close(() => resolve({ host, port }));
    });
  });
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
      return new BatonError('ADDRESS_UNAVAILABLE', { address: shown, option, problem: error.code }, error);
    case 'EACCES':
      return new BatonError('PORT_FORBIDDEN', { address: shown }, error);
    default:
      return error;
  }
}
