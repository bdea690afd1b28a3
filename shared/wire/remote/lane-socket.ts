/**
 * Messages over a lane: a plain, non-blocking TCP socket with sealed records (sealed.ts), read and written with system calls
 * of the thread's own, where a stream of Node's takes several turns of an event loop. Who has it watches the fd.
 */
import { EAGAIN, EINTR } from '../../sys/libc.ts';
import { allocate, type Memory } from '../../sys/memory.ts';
import { receive, write } from '../../sys/sockets.ts';
import { encodeFrame, FrameReader } from './frames.ts';
import { type Opener, RECORD_MAX, recordLength, SEALED_MAX, type Sealer } from './sealed.ts';

/** Unsent bytes above which a peer that does not read is given up. */
const UNSENT_MAX = 64 << 20;
/** What one read takes, at most: several records, or the rest of a long one. */
const READ_SIZE = SEALED_MAX;
const OUT_SIZE = SEALED_MAX;
/** The last words of an end, bytes: more than a kernel keeps for who does not read (tcp_rmem, 6 MB). The rest came after it. */
const LAST_MAX = 16 << 20;

// One of each for the thread: nothing stays in them between two calls.
const input = allocate(READ_SIZE);
const output = allocate(OUT_SIZE);

/** How the other side's end showed. */
export type LaneEnd = 'closed' | 'broken';

export class LaneSocket {
  readonly fd: number;
  readonly #sealer: Sealer;
  readonly #opener: Opener;
  readonly #frames = new FrameReader();
  /** Records that have not come as a whole. */
  #rest: Buffer = Buffer.alloc(0);
  /** Bytes read so far. */
  #came = 0;
  #messages: Buffer[] = [];
  #unsealed = 0;
  /** Sealed, and not written. */
  #unsent: Buffer[] = [];
  #unsentBytes = 0;
  #end: LaneEnd | undefined;

  /** `sealer` and `opener` may have been used for the records that opened it. */
  constructor(fd: number, sealer: Sealer, opener: Opener) {
    this.fd = fd;
    this.#sealer = sealer;
    this.#opener = opener;
  }

  /** All that it had sent has been read, and no more will come. */
  get end(): LaneEnd | undefined {
    return this.#end;
  }

  /** Something was said that `flush` has not written. */
  get isBlocked(): boolean {
    return this.#unsealed > 0 || this.#unsentBytes > 0;
  }

  /** Something waits for room in the socket. */
  get isFull(): boolean {
    return this.#unsentBytes > 0;
  }

  /** Leaves with the next `flush`, together with all that was said since the last. */
  send(message: object): void {
    const frame = encodeFrame(message);
    this.#messages.push(frame);
    this.#unsealed += frame.length;
  }

  /** Throws when the other side reads nothing. What can not be written any more is gone: reading shows the end. */
  flush(): void {
    if (this.#unsentBytes > 0) this.#writeRest();
    while (this.#unsealed > 0) {
      const length = this.#sealer.seal(this.#takeSome(), output.bytes, 0);
      const written = this.#unsentBytes > 0 ? 0 : this.#write(output, length);
      if (written === length) continue;
      this.#unsent.push(Buffer.from(output.bytes.subarray(written, length)));
      this.#unsentBytes += length - written;
      if (this.#unsentBytes > UNSENT_MAX) throw new Error('the other side does not read');
    }
  }

  /** As much of what is to be said as one record takes. */
  #takeSome(): Buffer {
    const all = this.#messages.length === 1 ? this.#messages[0]! : Buffer.concat(this.#messages);
    const some = all.subarray(0, RECORD_MAX);
    this.#messages = all.length > RECORD_MAX ? [all.subarray(RECORD_MAX)] : [];
    this.#unsealed -= some.length;
    return some;
  }

  #write(from: Memory, length: number): number {
    const n = write(this.fd, from, 0, length);
    if (n >= 0) return n;
    if (n === EAGAIN || n === EINTR) return 0;
    // It has been reset, or is about to be: reading shows that, after the last of what had come.
    return length;
  }

  #writeRest(): void {
    while (this.#unsent.length > 0) {
      const first = this.#unsent[0]!;
      first.copy(output.bytes);
      const n = this.#write(output, first.length);
      this.#unsentBytes -= n;
      if (n < first.length) {
        this.#unsent[0] = first.subarray(n);
        return;
      }
      this.#unsent.shift();
    }
  }

  /** What has come, decoded and not checked. Throws PROTOCOL. What comes later makes the fd readable again. */
  read(): unknown[] {
    if (this.#end) return [];
    const n = receive(this.fd, input, 0, READ_SIZE);
    if (n === EAGAIN || n === EINTR) return [];
    if (n <= 0) {
      this.#end = n === 0 ? 'closed' : 'broken';
      return [];
    }
    this.#came += n;
    const piece = input.bytes.subarray(0, n);
    const bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, piece]) : piece;
    const messages: unknown[] = [];
    let at = 0;
    for (;;) {
      const length = recordLength(bytes, at, bytes.length);
      if (length === 0 || at + length > bytes.length) break;
      const said = this.#opener.open(bytes.subarray(at, at + length));
      if (said.length > 0) messages.push(...this.#frames.push(said));
      at += length;
    }
    // A copy: the memory is used again.
    this.#rest = at < bytes.length ? Buffer.from(bytes.subarray(at)) : Buffer.alloc(0);
    return messages;
  }

  /**
   * The last words of an end that is near: until nothing more has come, or the other side has closed it. One that goes on and on
   * is not waited for. Throws PROTOCOL.
   */
  readAll(): unknown[] {
    const all: unknown[] = [];
    const until = this.#came + LAST_MAX;
    for (;;) {
      const before = this.#came;
      for (const message of this.read()) all.push(message);
      if (this.#end || this.#came === before || this.#came >= until) return all;
    }
  }
}
