/**
 * A connection of this process with itself, on which the steps of a migration are run over and over at a start: the engine
 * compiles what it runs often, and the first visitors would pay for it.
 */

import { bindTo, connectTo, type Endpoint, localEndpoint, tcpSocketFor } from '../sys/endpoints.ts';
import { EINPROGRESS } from '../sys/libc.ts';
import { allocate } from '../sys/memory.ts';
import { acceptNonBlocking, closeFd, listen, write } from '../sys/sockets.ts';
import { Refusal, refusalOf } from './refusal.ts';

const REQUEST = 'GET /rehearsal HTTP/1.1\r\nHost: localhost\r\n\r\n';
const ROUNDS = 3000;
/** A slow machine stops here, milliseconds. */
const AT_MOST_MS = 1000;
const ANY_PORT = { address: Uint8Array.of(127, 0, 0, 1), port: 0 };

/**
 * Calls `work` with the server's fd of a connection over loopback on which a request waits to be read; all is closed when
 * it returns, but for that fd where it says that it is gone. Does nothing when there can be no such connection; true when there was.
 */
function withLoopbackConnection(work: (fd: number) => boolean): boolean {
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
    const length = memory.bytes.write(REQUEST);
    need('send', write(client, memory, 0, length));
    if (work(fd)) fds.pop();
    return true;
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return false;
  } finally {
    fds.forEach(closeFd);
    memory.free();
  }
}

/**
 * `begin` is given the server's fd of such a connection and answers what one round is, which is repeated until it is false,
 * or there have been enough; undefined for nothing to do. Whatever hinders it is no reason not to start.
 */
export function rehearseOverLoopback(
  begin: (fd: number) => (() => boolean) | undefined,
  most = ROUNDS,
): void {
  const until = performance.now() + (AT_MOST_MS * most) / ROUNDS;
  withLoopbackConnection((fd) => {
    const round = begin(fd);
    for (let rounds = 0; round && rounds < most && performance.now() < until; rounds++) if (!round()) break;
    return false;
  });
}

/** `move` is given the server's fd of one such connection after the other, so many or for so long (milliseconds), and says that it has closed it. */
export function rehearseMoves(move: (fd: number) => boolean, most: number, atMostMs: number): void {
  const until = performance.now() + atMostMs;
  let isMoved = true;
  for (let n = 0; isMoved && n < most && performance.now() < until; n++)
    withLoopbackConnection((fd) => {
      isMoved = move(fd);
      return isMoved;
    });
}
