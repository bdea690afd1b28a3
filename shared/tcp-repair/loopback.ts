/** A connection of this process with itself, for who wants to try something on a real one. */
import { allocate } from '../sys/memory.ts';
import { acceptNonBlocking, closeFd, listen, write } from '../sys/sockets.ts';
import {
  bindTo,
  connectTo,
  type Endpoint,
  localEndpoint,
  tcpSocketFor,
} from '../sys/tcp-repair-endpoints.ts';
import { Refusal, refusalOf } from './refusal.ts';

const ANY_PORT = { address: Uint8Array.of(127, 0, 0, 1), port: 0 };
const EINPROGRESS = -115;

/**
 * Calls `work` with the server's fd of a connection over loopback on which `request` waits to be read; all is closed when
 * it returns. A Refusal when there can be no such connection.
 */
export function withLoopbackConnection(request: string, work: (fd: number) => void): Refusal | undefined {
  const fds: number[] = [];
  const memory = allocate(4096);
  /** Throws the Refusal of a call that failed, otherwise keeps what it opened. */
  const opened = (call: string, fd: number): number => {
    if (fd < 0) throw refusalOf(call, fd);
    fds.push(fd);
    return fd;
  };
  const need = (call: string, result: number): void => {
    if (result < 0) throw refusalOf(call, result);
  };
  try {
    const listener = opened('socket', tcpSocketFor(ANY_PORT));
    need('bind', bindTo(listener, ANY_PORT));
    listen(listener, 1);
    const server = localEndpoint(listener) as Endpoint;
    const client = opened('socket', tcpSocketFor(server));
    // Over loopback the handshake is done before connect returns, or accept says that it is not.
    const connected = connectTo(client, server);
    if (connected !== EINPROGRESS) need('connect', connected);
    const fd = opened('accept', acceptNonBlocking(listener));
    const length = memory.bytes.write(request);
    need('send', write(client, memory, 0, length));
    work(fd);
    return undefined;
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  } finally {
    fds.forEach(closeFd);
    memory.free();
  }
}
