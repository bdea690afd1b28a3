import { DgramSocket } from 'node-unix-socket';

/**
 * Tells systemd what the service is about, each word as in sd_notify(3), when it was started by a unit of Type=notify; nothing
 * otherwise. What cannot be told is no error: the service is ready all the same, and systemd ends it when it waits in vain.
 */
export function notifySystemd(...words: readonly string[]): void {
  const path = process.env.NOTIFY_SOCKET;
  // An abstract address, `@...`, is only used by user managers of containers; node-unix-socket knows none.
  if (!path?.startsWith('/')) return;
  const message = Buffer.from(words.map((word) => `${word}\n`).join(''));
  const socket = new DgramSocket();
  socket.on('error', () => {});
  socket.sendTo(message, 0, message.length, path, () => socket.close());
}
