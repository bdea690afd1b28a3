/** Listens at a Unix socket path until it is killed: `listen-at.ts stream|seqpacket PATH`. */
import { createServer } from 'node:net';
import { listenUnix } from '../../../shared/sys/unix-sockets.ts';

const [type, path] = process.argv.slice(2);
const ready = (): void => console.log('listening');
if (type === 'stream') {
  process.umask(0o177);
  createServer().listen(path!, ready);
} else {
  listenUnix(path!, 'seqpacket', 4);
  // Nothing else keeps the process.
  setInterval(() => {}, 60_000);
  ready();
}
