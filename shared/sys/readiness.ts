/**
 * Readiness of an fd in Node's own event loop, for sockets that Node's streams can not read (fds ride on them).
 * koffi's poll handle is undocumented, so it stays behind this one function.
 */
import koffi from 'koffi';
import { checkWatchable } from './epoll.ts';
import { keepAddonLoaded } from './thread-end.ts';

export interface Readiness {
  /** Also (or no longer) call `onReady` when the fd can be written to. */
  watchWritable(on: boolean): void;
  /** The process may end while it is watched. */
  unref(): void;
  /** Stops watching. The fd stays open: it is the caller's. */
  close(): void;
}

// A handle that nobody refers to is collected and stops without a word.
const alive = new Set<Readiness>();

// In a thread or a process that ends no callback can run any more, and koffi aborts the process over one that is due.
process.on('exit', () => alive.forEach((readiness) => void readiness.close()));

/**
 * Calls `onReady` whenever `fd` is readable (level-triggered). Keeps the process alive until it is closed. Throws a
 * SystemError for what can not be watched: the event loop would end the process.
 */
export function watchReadable(fd: number, onReady: () => void): Readiness {
  checkWatchable(fd);
  keepAddonLoaded();
  let open = true;
  let scheduled = false;
  // koffi calls back with (status, events), though its typings say (events): what is ready is found by trying.
  const listener = () => {
    if (scheduled) return;
    scheduled = true;
    // Node 26 drains neither promises nor nextTick after a native callback (nodejs/node#66158): leave it first.
    setImmediate(() => {
      scheduled = false;
      if (open) onReady();
    });
  };
  const handle = koffi.node.poll(fd, { readable: true }, listener);
  let writable = false;
  const readiness: Readiness = {
    watchWritable(on) {
      if (!open || on === writable) return;
      writable = on;
      handle.start({ readable: true, writable: on }, listener);
    },
    unref() {
      if (open) handle.unref();
    },
    close() {
      if (!open) return;
      open = false;
      alive.delete(readiness);
      handle.close();
    },
  };
  alive.add(readiness);
  return readiness;
}
