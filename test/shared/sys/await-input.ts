/** Waits for input with nothing else to do, which comes late; then ends by itself. */
import { allocate } from '../../../shared/sys/memory.ts';
import { watchReadable } from '../../../shared/sys/readiness.ts';
import { closeFd, receive, seqpacketPair, write } from '../../../shared/sys/sockets.ts';

const memory = allocate(64);
const [left, right] = seqpacketPair();

function begin(): void {
  const readiness = watchReadable(right, () => {
    receive(right, memory, 0, 64);
    process.stdout.write(', heard');
    readiness.close();
  });
}

begin();
for (let i = 0; i < 5; i++) globalThis.gc!();
// Unreferenced, the timer alone would not keep the process until it fires.
setTimeout(() => {
  process.stdout.write('waited');
  write(left, memory, 0, 1);
}, 100).unref();
process.once('exit', () => {
  process.stdout.write(', ended');
  for (const fd of [left, right]) closeFd(fd);
});
