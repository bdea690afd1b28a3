/**
 * Preloaded into a head (`--import`), whose TLS thread then ends as it is told to: by a file in the folder END_TLS_THREAD, called
 * after the way. What it runs otherwise is the head as it is.
 */
import { watch, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { threadName } from 'node:worker_threads';

const STANDS_STILL_MS = 1500;
const folder = process.env.END_TLS_THREAD;
if (threadName === 'tls' && folder !== undefined) {
  const watcher = watch(folder, (_, name) => {
    if (name === 'throw') throw new Error('thrown by a test');
    if (name === 'throw-nothing') throw undefined;
    if (name === 'exit') process.exit(3);
    if (name === 'stand-still') {
      writeFileSync(join(folder, 'stands-still'), '');
      // As a crowd of handshakes holds it up.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, STANDS_STILL_MS);
    }
  });
  watcher.unref();
}
