/**
 * Streams that stay, as a process of its own on a lab's client host: each a request whose body goes on and on, and comes back
 * in its answer. Each message takes a packet of the client's, which must find its way, and one that answers it. Its argument
 * is JSON (`Orders`), and so is what it prints.
 */
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { parseHostPort } from '../../../shared/units.ts';
import { BIN_MS, ordersSchema, type Streams } from './result.ts';

const { host: at, streams, everyMs, startAt, durationMs } = ordersSchema.parse(JSON.parse(process.argv[2]!));
const address = parseHostPort(at)!;
/** For what is under way when the time is over. */
const GRACE_MS = 1000;
/** Between two tries of those that were turned away. */
const AGAIN_MS = 200;
/** Between two that begin: what is measured is no crowd. */
const BEGIN_EVERY_MS = 1;
const REQUEST = `POST /echo HTTP/1.1\r\nHost: ${at}\r\nTransfer-Encoding: chunked\r\n\r\n`;

const start = performance.now() + startAt - Date.now();
const end = start + durationMs;
const lost: Streams['lost'] = [];
const slowestMs: (number | null)[] = Array(Math.ceil(durationMs / BIN_MS)).fill(null);
let messages = 0;
let [longestMs, longestAtMs] = [0, 0];

class Stream {
  isOpen = false;
  isOver = false;
  /** When each message that is under way was sent, by its number. */
  readonly sent = new Map<number, number>();
  readonly #socket: Socket;
  #count = 0;
  #text = '';

  constructor() {
    this.#socket = connect(address.port, address.host);
    this.#socket.setNoDelay(true).setEncoding('latin1');
    this.#socket.write(REQUEST);
    this.#socket.on('data', (part: string) => this.#hear(part));
    this.#socket.on('error', (error: NodeJS.ErrnoException) => this.#end(error.code ?? error.message));
    this.#socket.on('end', () => this.#end('closed'));
    this.#socket.on('close', () => this.#end('closed'));
  }

  #hear(part: string): void {
    this.#text += part;
    if (!this.isOpen) {
      if (!this.#text.includes('\r\n\r\n')) return;
      if (!this.#text.startsWith('HTTP/1.1 200 ')) return this.#end(this.#text.slice(9, 12));
      this.isOpen = true;
    }
    for (const [, number] of this.#text.matchAll(/#(\d{8})/g)) this.#came(Number(number));
    // A message may be in two pieces.
    this.#text = this.#text
      .slice(this.#text.lastIndexOf('#') + (this.#text.endsWith('\n') ? 9 : 0))
      .slice(-9);
  }

  #came(number: number): void {
    const at = this.sent.get(number);
    if (at === undefined) return;
    this.sent.delete(number);
    note(at, performance.now() - at);
  }

  say(): void {
    if (this.isOver) return;
    this.#count++;
    this.sent.set(this.#count, performance.now());
    this.#socket.write(`9\r\n#${String(this.#count).padStart(8, '0')}\r\n`);
    if (performance.now() >= start) messages++;
  }

  #end(how: string): void {
    if (this.isOver) return;
    this.isOver = true;
    const atMs = performance.now() - start;
    if (this.isOpen && atMs >= 0) lost.push({ atMs, how });
    this.isOpen = false;
  }

  close(): void {
    this.isOver = true;
    this.#socket.resetAndDestroy();
  }
}

function note(sentAt: number, tookMs: number): void {
  if (sentAt < start || sentAt >= end) return;
  const bin = Math.floor((sentAt - start) / BIN_MS);
  slowestMs[bin] = Math.max(slowestMs[bin] ?? 0, tookMs);
  if (tookMs > longestMs) [longestMs, longestAtMs] = [tookMs, sentAt - start];
}

const all: Stream[] = [];
async function begin(index: number): Promise<void> {
  all[index] = new Stream();
  // The answer begins with the first message.
  all[index].say();
  await delay(BEGIN_EVERY_MS);
}
for (let index = 0; index < streams; index++) await begin(index);
// Until then whoever was turned away, on a busy machine, tries again.
while (performance.now() < start) {
  await delay(Math.min(AGAIN_MS, Math.max(0, start - performance.now())));
  for (const [index, { isOver }] of all.entries())
    if (isOver && performance.now() < start) await begin(index);
}
const open = all.filter(({ isOpen }) => isOpen);
// Each in its turn, so that at any moment some message is about to be sent.
for (let turn = 0; ; turn++) {
  const due = start + (turn * everyMs) / open.length;
  if (due >= end || open.length === 0) break;
  if (due > performance.now()) await delay(due - performance.now());
  open[turn % open.length]!.say();
}
const until = end + GRACE_MS;
while (performance.now() < until && open.some(({ isOver, sent }) => !isOver && sent.size > 0))
  await delay(10);
const left = open.filter(({ isOver }) => !isOver).flatMap(({ sent }) => [...sent.values()]);
for (const sentAt of left) note(sentAt, performance.now() - sentAt);
for (const stream of all) stream.close();
const result: Streams = {
  open: open.length,
  lost,
  messages,
  unanswered: left.length,
  longestMs,
  longestAtMs,
  slowestMs,
};
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
