/**
 * Waits for input with nothing else to do, after collections of garbage: `await-input.ts`. With `close`, stops waiting
 * as soon as it has begun; with `unref`, waits as long as something else keeps the process; with `unref late`, input comes
 * when nothing does any more.
 */
import { allocate } from '../../../shared/sys/memory.ts';
import { watchReadable } from '../../../shared/sys/readiness.ts';
import { receive, write } from '../../../shared/sys/sockets.ts';
import { seqpacketPair } from '../../../shared/sys/unix-sockets.ts';

const memory = allocate(64);
const [left, right] = seqpacketPair();

function onReady(): void {
  receive(right, memory, 0, 64);
  process.stdout.write(', heard');
  process.exit();
}

// What it answers is deliberately kept by nobody.
function begin(): void {
  const readiness = watchReadable(right, onReady);
  if (process.argv[2] === 'close') readiness.close();
  if (process.argv[2] === 'unref') readiness.unref();
}

begin();
await new Promise(setImmediate);
for (let i = 0; i < 5; i++) globalThis.gc!();
process.stdout.write('began');
// The timer alone does not keep the process until it fires.
setTimeout(() => write(left, memory, 0, 1), 100).unref();
if (process.argv[3] === 'late') process.on('exit', () => write(left, memory, 0, 1));
