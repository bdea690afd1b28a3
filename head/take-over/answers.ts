/** What a successor that asks at the admin socket gets as its answer: an end of a pair of sockets, or why it may not take over. */
import type { Socket } from 'node:net';
import type { BatonError } from '../../shared/errors.ts';
import { listenerOf } from '../../shared/sys/listener-of.ts';
import { createFdMessenger } from '../../shared/sys/pass-fds.ts';
import { closeFd, duplicateFd } from '../../shared/sys/sockets.ts';
import { seqpacketPair } from '../../shared/sys/unix-sockets.ts';
import { failure } from './faults.ts';
import { nameOfTakeOver } from './pipe.ts';

/** Answers with one end of a new pair of sockets; the other, and what a trace calls the pair. */
export function answerWithPipe(
  socket: Socket,
  version: number,
): { readonly end: number; readonly name: string } {
  const own = duplicateFd(listenerOf(socket));
  // From here on the answer has an fd with it, which Node can not send.
  socket.destroy();
  const [end, theirs] = seqpacketPair();
  try {
    const name = nameOfTakeOver(theirs);
    const messenger = createFdMessenger(256);
    const text = `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: baton-take-over/${version}\r\n\r\n`;
    messenger.fds[0] = theirs;
    if (messenger.send(own, messenger.bytes.write(text), 1) < 0) throw failure('who asked went away');
    return { end, name };
  } catch (error) {
    closeFd(end);
    throw error;
  } finally {
    closeFd(theirs);
    closeFd(own);
  }
}

export function refuse(socket: Socket, { code, message, details }: BatonError): void {
  if (socket.destroyed) return;
  const body = `${JSON.stringify({ error: { code, message, details } })}\n`;
  socket.end(
    `HTTP/1.1 409 Conflict\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}
