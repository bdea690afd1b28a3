/** Under a low limit on open files: receives five fds where two fit, and prints what the messenger reports. */
import { closeSync, openSync } from 'node:fs';
import { createFdMessenger } from '../../../shared/sys/pass-fds.ts';
import { seqpacketPair } from '../../../shared/sys/unix-sockets.ts';

const [left, right] = seqpacketPair();
const messenger = createFdMessenger(16);
const opened: number[] = [];
try {
  for (;;) opened.push(openSync('/dev/null', 'r'));
} catch (error) {
  if ((error as NodeJS.ErrnoException).code !== 'EMFILE') throw error;
}
for (const fd of opened.splice(-2)) closeSync(fd);
messenger.fds.fill(left, 0, 5);
messenger.send(left, 3, 5);
const length = messenger.receive(right);
const { received, truncated } = messenger;
for (const fd of opened) closeSync(fd);
console.log(JSON.stringify({ length, received, truncated }));
