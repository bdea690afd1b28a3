/** Whether a client may be told goodbye without losing what it has just asked. */
import type { Socket } from 'node:net';
import { EAGAIN } from '../shared/sys/libc.ts';
import { allocate } from '../shared/sys/memory.ts';
import { peek, silentMs } from '../shared/sys/sockets.ts';
import { fdOf } from './http-connections.ts';

/**
 * A client that asks one thing after the other gets as long as this for its next request, whose answer tells it.
 * To close a connection on which a request is on its way would lose that request.
 */
export const QUIET_MS = 250;
const oneByte = allocate(1);

/** For long enough, and nothing has arrived that this process has not read. */
export function isQuiet(socket: Socket): boolean {
  const fd = fdOf(socket);
  return fd < 0 || (silentMs(fd) >= QUIET_MS && peek(fd, oneByte, 0, 1) === EAGAIN);
}
