/**
 * Lines for stdout and stderr from a process that must go on whatever becomes of them: a full disk, a pipe that nobody
 * reads, a terminal that has gone. A line is written at once where the output takes it. Else it waits, within bounds; what
 * exceeds them is dropped and counted, and the count is told when the output takes lines again. Nothing here throws or waits.
 */
import { EAGAIN, EDQUOT, ENOSPC } from './sys/libc.ts';
import { writeNow } from './sys/write-now.ts';

/** Bytes that wait at most. */
const WAITING_MAX = 256 * 1024;
/** How often an output that took no more is tried again, milliseconds. */
const AGAIN_MS = 200;
/** A line that says how many were dropped. */
type Told = (dropped: number) => string;

export class Output {
  readonly #fd: number;
  readonly #told: Told;
  readonly #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #dropped = 0;
  #again: NodeJS.Timeout | undefined;

  constructor(fd: number, told: Told) {
    this.#fd = fd;
    this.#told = told;
    process.on('exit', () => this.#flush());
  }

  /** `line` ends with its line end. */
  write(line: string): void {
    const bytes = Buffer.from(line);
    if (this.#waitingBytes + bytes.length > WAITING_MAX) {
      this.#dropped++;
      return;
    }
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    // While some wait they are tried now and then, not at every line.
    if (!this.#again) this.#flush();
  }

  #flush(): void {
    clearTimeout(this.#again);
    this.#again = undefined;
    while (this.#waiting.length > 0) {
      const n = writeNow(this.#fd, this.#waiting[0]!);
      if (n < 0) return this.#later(n);
      this.#advance(n);
      if (this.#waiting.length === 0 && this.#dropped > 0) this.#tellDropped();
    }
  }

  #advance(count: number): void {
    this.#waitingBytes -= count;
    const rest = this.#waiting[0]!.subarray(count);
    if (rest.length > 0) this.#waiting[0] = rest;
    else this.#waiting.shift();
  }

  #tellDropped(): void {
    const line = Buffer.from(this.#told(this.#dropped));
    this.#dropped = 0;
    this.#waiting.push(line);
    this.#waitingBytes += line.length;
  }

  /** A full disk has room later, perhaps; an output whose reader has gone is tried again with the next line only. */
  #later(errno: number): void {
    if (errno === EAGAIN || errno === ENOSPC || errno === EDQUOT) {
      this.#again = setTimeout(() => this.#flush(), AGAIN_MS).unref();
      return;
    }
    this.#dropped += this.#waiting.length;
    this.#waiting.length = 0;
    this.#waitingBytes = 0;
  }
}
