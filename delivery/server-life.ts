/**
 * The life of a server that a head feeds, as far as it is to be followed: it begins to listen, it is asked to close, it has
 * closed. `close` is heard when it is called, because `close`, the event, comes only when the last connection has ended;
 * and that event, with the callbacks of `close`, waits for what was handed over as it does for what the server accepted.
 */
import type { Server } from 'node:net';

export interface ServerEvents {
  onListening(): void;
  /** `close` was called. */
  onClosing(): void;
  /** Whether connections may still come, or are open. */
  isBusy(): boolean;
}

export interface ServerLife {
  /** `isBusy` may have become false. */
  check(): void;
  /** Follows it no more. */
  end(): void;
}

/** lib/net.js: emits `close` when there is no handle and no connection. */
type Internal = Server & {
  _emitCloseIfDrained?: () => void;
  _handle?: unknown;
  _connections?: number;
};

export function followServer(server: Server, { onListening, onClosing, isBusy }: ServerEvents): ServerLife {
  const { close, _emitCloseIfDrained: emitCloseIfDrained } = server as Internal;
  let following = true;
  /** From the call of `close` until the event is on its way. */
  let closing = false;

  function emitClose(): void {
    const { _handle: handle, _connections: connections } = server as Internal;
    if (!handle && !connections) closing = false;
    emitCloseIfDrained?.call(server);
  }

  server.on('listening', onListening);
  const undo = [
    cover(server, 'close', function closeFollowed(this: Server, ...rest: Parameters<Server['close']>) {
      if (following) {
        closing = true;
        onClosing();
      }
      return close.apply(this, rest);
    }),
    cover(server, '_emitCloseIfDrained', function emitCloseIfLeft(this: Server) {
      // A server that does not listen has no handle: each time that its last connection ended it would be closed.
      if (!following) emitCloseIfDrained?.call(this);
      else if (closing && !isBusy()) emitClose();
    }),
  ];
  return {
    check() {
      if (closing && !isBusy()) emitClose();
    },
    end() {
      following = false;
      server.off('listening', onListening);
      for (const uncover of undo) uncover();
      if (closing) emitClose();
    },
  };
}

/** Gives `server` a method of its own; the answer takes it away again, unless somebody else has covered it since. */
function cover(
  server: Server,
  name: string,
  method: (this: Server, ...rest: never[]) => unknown,
): () => void {
  const before = Object.getOwnPropertyDescriptor(server, name);
  Object.defineProperty(server, name, {
    value: method,
    configurable: true,
    writable: true,
    enumerable: false,
  });
  return () => {
    if (Object.getOwnPropertyDescriptor(server, name)?.value !== method) return;
    if (before) Object.defineProperty(server, name, before);
    else delete (server as unknown as Record<string, unknown>)[name];
  };
}
