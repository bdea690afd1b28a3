import { DgramSocket } from 'node-unix-socket';

/**
 * Tells systemd that the service is ready (sd_notify(3)), when it was started by a unit of Type=notify; nothing
 * otherwise. A successor says that it is the unit's process now, which systemd believes with NotifyAccess=all. What cannot be told is no error: the service is ready all the same, and systemd ends it when it waits in vain.
 */
export function notifySystemd(path = process.env.NOTIFY_SOCKET, isSuccessor = false): void {
  // An abstract address, `@...`, is only used by user managers of containers; node-unix-socket knows none.
  if (!path?.startsWith('/')) return;
  const message = Buffer.from(isSuccessor ? `READY=1\nMAINPID=${process.pid}\n` : 'READY=1\n');
  const socket = new DgramSocket();
  socket.on('error', () => {});
  socket.sendTo(message, 0, message.length, path, () => socket.close());
}
