/**
 * The life of a server that a head feeds, as far as it is to be followed: it begins to listen, it is asked to close, it has
 * closed, it may or may not keep the process alive. `close` is heard when it is called, because `close`, the event, comes
 * only when the last connection has ended; and that event, with the callbacks of `close`, waits for what was handed over as
 * it does for what the server accepted. No listener is added to the server, whose application may count or remove them.
 */
import { subscribe } from 'node:diagnostics_channel';
import type { Server } from 'node:net';
import { cover } from './cover.ts';

export interface ServerEvents {
  /** It listens: its address is known, and `listening` is about to be emitted. */
  onListening(): void;
  /** `close` was called. */
  onClosing(): void;
  /** `ref` or `unref` was called. */
  onRef(isRef: boolean): void;
  /** Whether connections may still come, or are open. */
  isBusy(): boolean;
}

export interface ServerLife {
  /** Whether the server keeps the process alive while it listens. */
  readonly isRef: boolean;
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
  _unref?: boolean;
};

export function followServer(
  server: Server,
  { onListening, onClosing, onRef, isBusy }: ServerEvents,
): ServerLife {
  const { close, ref, unref, _emitCloseIfDrained: emitCloseIfDrained } = server as Internal;
  let following = true;
  let hasListened = server.listening;
  /** From the call of `close` until the event is on its way. */
  let closing = false;

  function emitClose(): void {
    const { _handle: handle, _connections: connections } = server as Internal;
    if (!handle && !connections) closing = false;
    emitCloseIfDrained?.call(server);
  }

  const isRef = () => !(server as Internal)._unref;

  function closes(): void {
    hasListened = false;
    closing = true;
    onClosing();
  }

  const ignore = heedListening(server, () => {
    hasListened = true;
    onListening();
  });
  const undo = [
    cover(server, 'close', function closeFollowed(this: Server, ...rest: Parameters<Server['close']>) {
      if (following) closes();
      return close.apply(this, rest);
    }),
    cover(server, '_emitCloseIfDrained', function emitCloseIfLeft(this: Server) {
      // A server that does not listen has no handle: each time that its last connection ended it would be closed.
      if (!following) return emitCloseIfDrained?.call(this);
      // The `close` above need not have been called: an application may have kept the one before, and put it back.
      if (hasListened && !(this as Internal)._handle) closes();
      if (closing && !isBusy()) emitClose();
    }),
    cover(server, 'ref', function refFollowed(this: Server) {
      ref.call(this);
      if (following) onRef(isRef());
      return this;
    }),
    cover(server, 'unref', function unrefFollowed(this: Server) {
      unref.call(this);
      if (following) onRef(isRef());
      return this;
    }),
  ];
  return {
    get isRef() {
      return isRef();
    },
    check() {
      if (closing && !isBusy()) emitClose();
    },
    end() {
      following = false;
      ignore();
      for (const uncover of undo) uncover();
      if (closing) emitClose();
    },
  };
}

type Heed = () => void;
/** A server and those who heed it are one: they go together. */
const heeding = new WeakMap<Server, Set<Heed>>();
let subscribed = false;

/** Calls `heed` whenever `server` has begun to listen. The answer ends that. */
function heedListening(server: Server, heed: Heed): () => void {
  if (!subscribed) subscribe('tracing:net.server.listen:asyncEnd', onListen);
  subscribed = true;
  const all = heeding.get(server) ?? new Set();
  heeding.set(server, all.add(heed));
  return () => void all.delete(heed);
}

function onListen(message: unknown): void {
  for (const heed of heeding.get((message as { server: Server }).server) ?? []) heed();
}
