/**
 * A control channel over a connected SEQPACKET socket, in Node's event loop. node-unix-socket reads and writes it;
 * this adapter owns the fd, gives the package's events one meaning, and keeps its quirks inside.
 */
import { SeqpacketSocket } from 'node-unix-socket';
import { CONTROL_MESSAGE_MAX, encodeControl, type FromDelivery, type FromHead } from './control.ts';

/** How long `end` waits for queued messages to leave. */
const END_WITHIN_MS = 1000;

export interface Channel {
  /** False when the channel has ended: the message went nowhere. */
  send(message: FromDelivery | FromHead): boolean;
  /** Writes what is still queued, then closes. Calls no handler any more. */
  end(): void;
  /** Closes at once. Calls no handler any more. */
  close(): void;
}

export interface ChannelHandlers {
  onMessage(bytes: Buffer): void;
  /** The peer closed it or it broke; called once, and the fd is closed. */
  onEnd(): void;
}

/** Takes over `fd`. */
export function openChannel(fd: number, handlers: ChannelHandlers): Channel {
  const socket = new SeqpacketSocket(fd);
  // One more than a message may have, so that a longer one is seen to be too long rather than cut.
  socket.setInternalReadBufferSize(CONTROL_MESSAGE_MAX + 1);
  let open = true;

  function finish(tell: boolean): void {
    if (!open) return;
    open = false;
    // The package aborts the process when a socket is destroyed from within one of its own events.
    setImmediate(() => socket.destroy());
    if (tell) handlers.onEnd();
  }

  socket.on('data', (bytes: Buffer) => {
    if (open) handlers.onMessage(bytes);
  });
  // 'end' comes without 'close' while our own side is open; an error is always the end of a connected socket.
  socket.on('end', () => finish(true));
  socket.on('close', () => finish(true));
  socket.on('error', () => finish(true));

  return {
    send(message) {
      if (!open) return false;
      socket.write(encodeControl(message));
      return true;
    },
    end() {
      if (!open) return;
      open = false;
      // A peer that does not read must not keep the fd: what it has not taken by then is lost.
      const bound = setTimeout(() => socket.destroy(), END_WITHIN_MS);
      setImmediate(() =>
        socket.end(() => {
          clearTimeout(bound);
          setImmediate(() => socket.destroy());
        }),
      );
    },
    close: () => finish(false),
  };
}
