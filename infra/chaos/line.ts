/** A client's connection under chaos. */
import { createConnection, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { parseHostPort } from '../../shared/units.ts';
import { ResponseParser } from '../visits/response.ts';
import type { Plan } from './plans.ts';
import { now } from './records.ts';

export interface Got {
  status: number;
  failure?: string;
  redirect?: string;
  begun: boolean;
  by?: number;
  id?: string;
  heard?: string;
  bytes: number;
}

const names: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refused',
  ECONNRESET: 'reset',
  EPIPE: 'reset',
};

export const nameOf = ({ code }: NodeJS.ErrnoException): string => names[code ?? ''] ?? code ?? 'unknown';

let connections = 0;
/** Of a client's connections. */
export const nextNumber = (): number => ++connections;

/** A connection, which may be asked several times. */
export class Line {
  readonly #socket: Socket;
  readonly #number = nextNumber();
  readonly #connected = now();
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
    this.#socket.on('error', (error) => this.#over(nameOf(error)));
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
      const timer = setTimeout(() => finish('timeout'), Math.max(0, deadline - now()));
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
