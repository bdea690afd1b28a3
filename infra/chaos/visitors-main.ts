/**
 * A client under chaos, where the lab's clients are: asks at a rate, each request with an id of its own, and writes down in
 * CHAOS_FOLDER what it asked and what became of it. Nothing is ever asked twice. Runs until it is told to end (SIGTERM),
 * and then to the end of what it has begun.
 *
 *     node infra/chaos/visitors-main.ts NAME HOST:PORT RATE SEED TIMEOUT-MS
 */
import { createHash, randomBytes } from 'node:crypto';
import { openSync, writeSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseHostPort } from '../../shared/units.ts';
import { seededRandom } from '../statistics/random.ts';
import { ResponseParser } from '../visits/response.ts';
import type { Asked, Ended } from './records.ts';

const [name, to, rateText, seedText, timeoutText] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
];
const timeoutMs = Number(timeoutText);
const folder = process.env.CHAOS_FOLDER!;
const files = { asked: open('asked'), ended: open('ended') };
const random = seededRandom(Number(seedText));
const between = (least: number, most: number) => least + random() * (most - least);
let connections = 0;
let requests = 0;
let going = 0;
let stopping = false;

function open(ending: string): number {
  return openSync(join(folder, `${name}.${process.pid}.${ending}`), 'a', 0o600);
}
const write = (file: number, line: Asked | Ended) => writeSync(file, `${JSON.stringify(line)}\n`);

/** One request as it is sent: pieces, with a pause before each of them, milliseconds. */
interface Plan {
  readonly kind: string;
  readonly pieces: readonly (readonly [pauseMs: number, bytes: string | Buffer])[];
  /** Of the body, which the delivery must have heard. */
  readonly heard: string;
  /** Of the answer, besides its line. */
  readonly bytes: number;
  /** Read so slowly: a pause after each piece that arrives. */
  readonly readPauseMs: number;
  /** The client goes after so long, whatever has come. */
  readonly leavesAfterMs?: number;
}

type Maker = (id: string) => Plan;
const NOTHING = createHash('sha1').digest('hex');
const get = (path: string, more = '') => `GET /${path} HTTP/1.1\r\nHost: chaos.test\r\n${more}\r\n`;
const plain = (kind: string, id: string, query: string, bytes = 0, readPauseMs = 0): Plan => ({
  kind,
  pieces: [[0, get(`${id}?${query}bytes=${bytes}`)]],
  heard: NOTHING,
  bytes,
  readPauseMs,
});

const makers: readonly (readonly [share: number, turns: number, make: Maker])[] = [
  [0.3, 1, (id) => plain('short', id, '')],
  [0.15, 4, (id) => plain('kept alive', id, '')],
  [0.1, 1, (id) => plain('slow answer', id, `wait=${Math.floor(between(50, 2500))}&`)],
  [0.1, 1, (id) => plain('large', id, '', 100_000)],
  [0.08, 1, (id) => plain('slow reader', id, '', 3_000_000, 20)],
  [
    0.1,
    1,
    (id) => {
      const whole = get(id, `X-Filler: ${'y'.repeat(Math.floor(between(0, 3000)))}\r\n`);
      const cut = Math.max(1, Math.floor(random() * whole.length));
      const pieces = [
        [0, whole.slice(0, cut)],
        [between(20, 1500), whole.slice(cut)],
      ] as const;
      return { kind: 'half a head', pieces, heard: NOTHING, bytes: 0, readPauseMs: 0 };
    },
  ],
  [
    0.12,
    1,
    (id) => {
      const body = randomBytes(Math.floor(between(1, 60_000)));
      const head = `POST /${id} HTTP/1.1\r\nHost: chaos.test\r\nContent-Length: ${body.length}\r\n\r\n`;
      const cut = Math.floor(random() * body.length);
      const heard = createHash('sha1').update(body).digest('hex');
      const pieces = [
        [0, head],
        [between(0, 50), body.subarray(0, cut)],
        [between(0, 1000), body.subarray(cut)],
      ] as const;
      return { kind: 'body in pieces', pieces, heard, bytes: 0, readPauseMs: 0 };
    },
  ],
  [0.05, 1, (id) => ({ ...plain('leaves', id, 'wait=500&', 10_000), leavesAfterMs: between(0, 700) })],
];

function choose(): readonly [turns: number, make: Maker] {
  let at = random();
  for (const [share, turns, make] of makers) {
    at -= share;
    if (at < 0) return [turns, make];
  }
  return [1, makers[0]![2]];
}

/** One after the other on one connection; when that has ended between two requests, on the next one. */
async function visit(): Promise<void> {
  const [turns, make] = choose();
  let line: Line | undefined;
  for (let turn = 0; turn < turns; turn++) {
    if (line === undefined || !line.isUsable) line = new Line(to);
    const id = `${name}-${process.pid}-${++requests}`;
    const goesOn = await ask(line, id, make(id));
    if (goesOn === undefined) return;
    line = goesOn;
    if (turn < turns - 1) await delay(between(0, 600));
  }
  line?.close();
}

/** Undefined when it failed; else the connection that answered. */
async function ask(line: Line, id: string, plan: Plan): Promise<Line | undefined> {
  const from = Date.now();
  const { number, turn, connected } = line.next();
  write(files.asked, {
    id,
    kind: plan.kind,
    connection: `${name}-${process.pid}-${number}`,
    turn,
    connected,
    from,
  });
  const hops: number[] = [];
  let current = line;
  const deadline = from + timeoutMs;
  for (;;) {
    const got = await current.ask(plan, deadline);
    if (got.redirect !== undefined) {
      hops.push(got.status);
      current.close();
      if (hops.length <= 5) {
        current = new Line(got.redirect);
        current.next();
        continue;
      }
    }
    const result = got.failure ?? judge(id, plan, got);
    const by = result === 'ok' ? got.by : undefined;
    write(files.ended, {
      id,
      to: Date.now(),
      result,
      begun: got.begun,
      hops,
      ...(by === undefined ? {} : { by }),
    });
    if (result === 'ok') return current;
    current.close();
    return undefined;
  }
}

interface Got {
  status: number;
  failure?: string;
  redirect?: string;
  begun: boolean;
  by?: number;
  id?: string;
  heard?: string;
  bytes: number;
}

function judge(id: string, plan: Plan, got: Got): string {
  if (got.status !== 200) return `status_${got.status}`;
  if (got.id !== id) return 'answer_of_another';
  if (got.heard !== plan.heard) return 'heard_otherwise';
  return got.bytes === plan.bytes ? 'ok' : 'wrong_length';
}

const names: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refused',
  ECONNRESET: 'reset',
  EPIPE: 'reset',
};

/** A connection, which may be asked several times. */
class Line {
  readonly #socket: Socket;
  readonly #number = ++connections;
  readonly #connected = Date.now();
  #turn = -1;
  #isUsable = true;
  /** Of the request that it is asked at this moment. */
  #onData: (bytes: Buffer) => void = () => {};
  #onEnd: (failure: string) => void = () => {};

  constructor(address: string) {
    const { host, port } = parseHostPort(address)!;
    this.#socket = createConnection({ host, port, allowHalfOpen: true });
    this.#socket.on('data', (bytes) => this.#onData(bytes));
    this.#socket.on('end', () => this.#over('closed_early'));
    this.#socket.on('error', ({ code }: NodeJS.ErrnoException) =>
      this.#over(names[code ?? ''] ?? code ?? 'unknown'),
    );
  }

  get isUsable(): boolean {
    return this.#isUsable;
  }

  next() {
    this.#turn++;
    return { number: this.#number, turn: this.#turn, connected: this.#connected };
  }

  #over(failure: string): void {
    this.#isUsable = false;
    this.#onEnd(failure);
  }

  close(): void {
    this.#isUsable = false;
    this.#onEnd = () => {};
    this.#socket.destroy();
  }

  ask(plan: Plan, deadline: number): Promise<Got> {
    const got: Got = { status: 0, begun: false, bytes: 0 };
    const parser = new ResponseParser();
    let first = '';
    return new Promise((resolve) => {
      let done = false;
      const finish = (failure?: string) => {
        if (done) return;
        done = true;
        clearTimeout(timer);
        clearTimeout(leaving);
        this.#onData = () => {};
        this.#onEnd = () => {};
        if (failure !== undefined) got.failure = failure;
        resolve(got);
      };
      const timer = setTimeout(() => finish('timeout'), Math.max(0, deadline - Date.now()));
      const leaving =
        plan.leavesAfterMs === undefined ? undefined : setTimeout(() => finish('left'), plan.leavesAfterMs);
      this.#onEnd = finish;
      this.#onData = (bytes) => {
        got.begun = true;
        first += first.length < 2000 ? bytes.toString('latin1') : '';
        const stop = parser.read(bytes, 0, bytes.length);
        if (parser.bad || stop < bytes.length) return finish('bad_answer');
        if (!parser.complete) {
          if (plan.readPauseMs > 0) this.#pause(plan.readPauseMs);
          return;
        }
        got.status = parser.status;
        if (!parser.keepAlive) this.#isUsable = false;
        if (parser.location !== undefined) got.redirect = new URL(parser.location).host;
        if (got.status === 200) this.#read(got, first, parser.bodyBytes);
        finish();
      };
      if (!this.#isUsable) finish('closed_early');
      else void this.#send(plan, () => done);
    });
  }

  #read(got: Got, first: string, bodyBytes: number): void {
    const body = first.slice(first.indexOf('\r\n\r\n') + 4);
    const line = body.slice(0, body.indexOf('\n'));
    const { id, pid, heard } = JSON.parse(line) as { id: string; pid: number; heard: string };
    Object.assign(got, { id, by: pid, heard, bytes: bodyBytes - line.length - 1 });
  }

  #pause(ms: number): void {
    this.#socket.pause();
    setTimeout(() => this.#socket.resume(), ms);
  }

  async #send({ pieces }: Plan, isDone: () => boolean): Promise<void> {
    for (const [pauseMs, bytes] of pieces) {
      if (pauseMs > 0) await delay(pauseMs);
      if (isDone()) return;
      this.#socket.write(bytes);
    }
  }
}

process.on('SIGTERM', () => {
  stopping = true;
});
process.stdout.write(`${JSON.stringify({ ready: 'visitors', name })}\n`);
const began = performance.now();
for (let due = 0; !stopping; due += (-Math.log(1 - random()) * 1000) / Number(rateText)) {
  const wait = began + due - performance.now();
  if (wait > 0) await delay(wait);
  going++;
  void visit().finally(() => going--);
}
while (going > 0) await delay(20);
process.exit(0);
