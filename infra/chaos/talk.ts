/** A client's connection that is upgraded, under chaos: asked as a `Line` is, and answered by lines (upgraded.ts). */
import { createConnection, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { parseHostPort } from '../../shared/units.ts';
import { type Got, nameOf, nextNumber } from './line.ts';
import type { Plan } from './plans.ts';
import { now } from './records.ts';
import { chain } from './upgraded.ts';

const HEAD = /^HTTP\/1\.1 (\d{3}) .*?\r\n\r\n/s;
const LOCATION = /^location: (.*)\r$/im;

interface Answer {
  readonly id?: string;
  readonly pid?: number;
  readonly heard?: string;
  readonly bye?: true;
}

/** It is not upgraded. */
interface Refusal {
  readonly status: number;
  readonly location: string | undefined;
}

export class Talk {
  readonly #socket: Socket;
  readonly #number = nextNumber();
  readonly #connected = now();
  #turn = -1;
  #isOver = false;
  /** Its application says goodbye, and answers what has been asked. */
  #isLeaving = false;
  #isUpgraded = false;
  #heard = '';
  #text = '';
  #onAnswer: (answer: Answer | Refusal) => void = () => {};
  #onEnd: (failure: string) => void = () => {};

  constructor(address: string) {
    const { host, port } = parseHostPort(address)!;
    this.#socket = createConnection({ host, port, allowHalfOpen: true });
    this.#socket.setEncoding('latin1').on('data', (text) => this.#take(String(text)));
    this.#socket.on('end', () => this.#over('closed_early'));
    this.#socket.on('error', (error) => this.#over(nameOf(error)));
  }

  get isUsable(): boolean {
    return !this.#isOver && !this.#isLeaving;
  }

  next() {
    this.#turn++;
    return { number: this.#number, turn: this.#turn, connected: this.#connected };
  }

  close(): void {
    this.#isOver = true;
    this.#onEnd = () => {};
    this.#socket.destroy();
  }

  #over(failure: string): void {
    this.#isOver = true;
    this.#onEnd(failure);
  }

  #take(text: string): void {
    this.#text += text;
    if (!this.#isUpgraded) {
      const found = HEAD.exec(this.#text);
      if (!found) return;
      if (found[1] !== '101')
        return this.#onAnswer({ status: Number(found[1]), location: LOCATION.exec(found[0])?.[1] });
      this.#isUpgraded = true;
      this.#text = this.#text.slice(found[0].length);
    }
    const lines = this.#text.split('\n');
    this.#text = lines.pop()!;
    for (const line of lines) {
      const answer = JSON.parse(line) as Answer;
      if (answer.bye) this.#isLeaving = true;
      else this.#onAnswer(answer);
    }
  }

  ask(plan: Plan, deadline: number): Promise<Got> {
    const got: Got = { status: 0, begun: false, bytes: 0 };
    return new Promise((resolve) => {
      const finish = (failure?: string) => {
        clearTimeout(timer);
        this.#onAnswer = () => this.#over('bad_answer');
        this.#onEnd = () => {};
        resolve(failure === undefined ? got : { ...got, failure });
      };
      const timer = setTimeout(() => finish('timeout'), Math.max(0, deadline - now()));
      this.#onEnd = finish;
      this.#onAnswer = (answer) => {
        got.begun = true;
        if ('status' in answer) {
          got.status = answer.status;
          if (answer.location !== undefined) got.redirect = new URL(answer.location).host;
          return finish();
        }
        const { id = '', pid = 0, heard } = answer;
        this.#heard = chain(this.#heard, plan.id);
        Object.assign(got, { status: 200, id, by: pid });
        // What everything before it comes to, its own request's among it.
        got.heard = heard === this.#heard ? plan.heard : 'otherwise';
        finish();
      };
      if (this.#isOver) finish('closed_early');
      else void this.#send(plan);
    });
  }

  async #send({ pieces }: Plan): Promise<void> {
    for (const [pauseMs, bytes] of pieces) {
      if (pauseMs > 0) await delay(pauseMs);
      if (!this.#isOver) this.#socket.write(bytes);
    }
  }
}
