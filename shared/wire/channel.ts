/**
 * A control channel over a connected SEQPACKET socket, in Node's event loop. It is the one owner of the socket: what is
 * read, written, waited for and closed goes through here, and each step asks first in which state the channel is, so that
 * a peer that closes, freezes, floods or does not read can do so at any moment.
 *
 *     open    reads and writes; what the socket does not take waits in a bounded queue
 *     ending  throws away what comes; writes what is queued, for a bounded time
 *     closed  the fd has been given back
 *
 * The socket is read with recv(2), which drops the fds that a peer may have attached (unix(7), SCM_RIGHTS).
 */
import { EAGAIN, ECONNRESET, EINTR } from '../sys/libc.ts';
import { allocate } from '../sys/memory.ts';
import { createFdMessenger } from '../sys/pass-fds.ts';
import { type Readiness, watchReadable } from '../sys/readiness.ts';
import { endReading, receive } from '../sys/sockets.ts';
import { closeKept, keepForThread } from '../sys/thread-end.ts';
import { CONTROL_MESSAGE_MAX, encodeControl, type FromDelivery, type FromHead } from './control.ts';

/** How long `end` waits for queued messages to leave, milliseconds. */
const END_WITHIN_MS = 1000;
/** Messages read before others get their turn. */
const MESSAGES_A_TURN = 64;
/** Messages that wait for room in the socket, which itself holds some 200: a peer with more unread reads no more. */
const QUEUE_MAX = 64;

export interface Channel {
  /**
   * False when the channel has ended: the message went nowhere. `fds` go with the message, as copies; they can not wait
   * in the queue, so it is also false when there is no room for them.
   */
  send(message: FromDelivery | FromHead, fds?: readonly number[]): boolean;
  /** The process may end while it is open. */
  unref(): void;
  /** Writes what is still queued, then closes. Calls no handler any more. */
  end(): void;
  /** Closes at once. Calls no handler any more. */
  close(): void;
}

export interface ChannelHandlers {
  /** The bytes are the handler's while it runs. */
  onMessage(bytes: Buffer): void;
  /** The peer closed it, broke it or did not read what it was sent; called once, and the fd is closed. */
  onEnd(): void;
}

// One of each for the whole thread: a message is written and read in one go. One byte more than a message may have, so
// that a longer one is seen to be too long rather than cut.
const inbox = allocate(CONTROL_MESSAGE_MAX + 1);
const messenger = createFdMessenger(2 * CONTROL_MESSAGE_MAX);

/** Takes over `fd`, which is non-blocking. */
export const openChannel = (fd: number, handlers: ChannelHandlers): Channel =>
  new SocketChannel(fd, handlers);

class SocketChannel implements Channel {
  readonly #fd: number;
  readonly #handlers: ChannelHandlers;
  readonly #ready: Readiness;
  readonly #queue: Buffer[] = [];
  #state: 'open' | 'ending' | 'closed' = 'open';
  #bound: NodeJS.Timeout | undefined;

  constructor(fd: number, handlers: ChannelHandlers) {
    this.#fd = keepForThread(fd);
    this.#handlers = handlers;
    this.#ready = watchReadable(this.#fd, () => this.#onReady());
  }

  #onReady(): void {
    this.#read();
    if (this.#state !== 'closed') this.#flush();
  }

  #read(): void {
    // An error is reported once, and stands before what the peer had said; the poll handle may not report again after it.
    let broken = false;
    for (let i = 0; this.#state !== 'closed' && (broken || i < MESSAGES_A_TURN); i++) {
      const n = receive(this.#fd, inbox, 0, inbox.bytes.length);
      if (n === ECONNRESET && !broken) broken = true;
      else if (n > 0) {
        if (this.#state === 'open') this.#handlers.onMessage(Buffer.from(inbox.bytes.subarray(0, n)));
      } else if (n !== EINTR) {
        // An empty packet looks like the end, and is nothing that a peer may send.
        if (n !== EAGAIN || broken) this.#finish();
        return;
      }
    }
  }

  send(message: FromDelivery | FromHead, fds: readonly number[] = []): boolean {
    if (this.#state !== 'open') return false;
    const bytes = encodeControl(message);
    if (this.#queue.length === 0) {
      const sent = this.#write(bytes, fds);
      if (sent !== 'later') return sent === 'sent';
    }
    if (fds.length > 0) return false;
    if (this.#queue.length === QUEUE_MAX) {
      // Not at once: whoever sends may not expect to be told that it ended in the middle of that.
      setImmediate(() => this.#finish());
      return false;
    }
    this.#queue.push(bytes);
    this.#ready.watchWritable(true);
    return true;
  }

  #write(bytes: Buffer, fds: readonly number[]): 'sent' | 'later' | 'never' {
    if (bytes.length > messenger.bytes.length) throw new RangeError(`a message of ${bytes.length} bytes`);
    messenger.bytes.set(bytes);
    messenger.fds.set(fds);
    const n = messenger.send(this.#fd, bytes.length, fds.length);
    if (n >= 0) return 'sent';
    // Whatever else is wrong, the end is seen by reading: what the peer said before it still counts.
    return n === EAGAIN || n === EINTR ? 'later' : 'never';
  }

  #flush(): void {
    for (let bytes = this.#queue[0]; bytes; bytes = this.#queue[0]) {
      if (this.#write(bytes, []) === 'later') return;
      this.#queue.shift();
    }
    this.#ready.watchWritable(false);
    if (this.#state === 'ending') this.#release();
  }

  unref(): void {
    this.#ready.unref();
  }

  end(): void {
    if (this.#state !== 'open') return;
    this.#state = 'ending';
    // A peer that does not read must not keep the fd: what it has not taken by then is lost.
    if (this.#queue.length > 0) this.#bound = setTimeout(() => this.#release(), END_WITHIN_MS);
    else this.#release();
  }

  close(): void {
    if (this.#state !== 'closed') this.#release();
  }

  /** The peer has ended it. */
  #finish(): void {
    if (this.#state === 'closed') return;
    const wasOpen = this.#state === 'open';
    this.#release();
    if (wasOpen) this.#handlers.onEnd();
  }

  #release(): void {
    this.#state = 'closed';
    clearTimeout(this.#bound);
    this.#ready.close();
    this.#queue.length = 0;
    // Closed over unread input, the peer would read ECONNRESET before our last words (net/unix/af_unix.c, unix_release_sock).
    endReading(this.#fd);
    while (receive(this.#fd, inbox, 0, inbox.bytes.length) > 0);
    closeKept(this.#fd);
  }
}
