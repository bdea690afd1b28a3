/**
 * A socket that is held: nothing is read from its connection and nothing is written to it, whoever tries, until it is released or
 * let go. What its client sends meanwhile waits in the kernel. To close it closes this process's copy, without a packet: another
 * may have one by then.
 */
import { Socket } from 'node:net';
import type { AdoptedSocket } from './adopt.ts';

/** What Node has of it (lib/net.js). */
interface Internal {
  _handle?: Handle | null;
  _writeGeneric?: (...rest: unknown[]) => void;
  _final?: (callback: (error?: Error | null) => void) => void;
  readonly _readableState?: { readonly ended: boolean };
}

interface Handle {
  readonly fd: number;
  /** Kept by Node's sockets. */
  reading: boolean;
  readStop(): number;
  readStart?: (() => number) | undefined;
  /** Bytes that libuv has and the kernel has not. */
  readonly writeQueueSize?: number;
}

export interface Held {
  readonly fd: number;
  /** It goes on: what was written meanwhile is written now. */
  release(): void;
  /** Another process has it from now on: closed here, and nothing else. */
  letGo(): void;
}

/** All that has come has been passed on, and all that was written has left; nobody has ended it. */
export function isAtRest(socket: AdoptedSocket): boolean {
  const { _handle: handle, _readableState: readable } = socket as unknown as Internal;
  return (
    !socket.destroyed &&
    !socket.isHeld &&
    socket.ownsHandle &&
    handle !== null &&
    handle !== undefined &&
    handle.fd >= 0 &&
    !socket.connecting &&
    !socket.writableEnded &&
    readable?.ended === false &&
    socket.readableLength === 0 &&
    socket.writableLength === 0 &&
    socket.withheld === undefined &&
    (handle.writeQueueSize ?? 0) === 0 &&
    !socket.isShared
  );
}

/** Undefined for one that is not at rest. */
export function hold(socket: AdoptedSocket): Held | undefined {
  if (!isAtRest(socket)) return undefined;
  const internal = socket as unknown as Internal;
  const handle = internal._handle!;
  const wasReading = handle.reading;
  /** Somebody else has it not read as well (requests/). */
  const hidden = Object.hasOwn(handle, 'readStart') ? handle.readStart : undefined;
  /** What was to be done meanwhile. */
  const put: (() => void)[] = [];
  socket.isHeld = true;
  handle.readStop();
  // An HTTP parser reads by the handle, and Node starts that in many places: methods of its own hide the handle's and the socket's.
  handle.readStart = () => 0;
  internal._writeGeneric = (...rest) => void put.push(() => internal._writeGeneric!(...rest));
  internal._final = (callback) => void put.push(() => internal._final!(callback));
  return {
    fd: handle.fd,
    release() {
      if (hidden) handle.readStart = hidden;
      else delete handle.readStart;
      delete internal._writeGeneric;
      delete internal._final;
      socket.isHeld = false;
      if (socket.destroyed) return;
      if (wasReading || handle.reading) {
        handle.reading = true;
        handle.readStart!();
      }
      for (const run of put) run();
      socket.watcher?.released();
    },
    letGo() {
      // Whatever the application has made of that method.
      try {
        socket.destroy();
      } finally {
        Socket.prototype.destroy.call(socket);
      }
    },
  };
}
