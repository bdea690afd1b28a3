/** Visits by HTTP/1.1, over TLS and without it. */
import type { Endpoint } from '../../shared/sys/endpoints.ts';
import { errnoName } from '../../shared/sys/libc.ts';
import { connectToAny } from './addresses.ts';
import type { Client, ClientHandlers, Clients } from './clients.ts';
import type { Conversation, Converse, Listener } from './conversation.ts';
import { failureOf } from './failures.ts';
import { Line, type LinePlan } from './line.ts';
import { ResponseParser } from './response.ts';
import type { Target } from './target.ts';

/** Reads answer after answer, and tells the listener. */
class Answers {
  readonly #parser = new ResponseParser();
  readonly #listener: Listener;
  #asked = false;
  /** When bytes came last. */
  #arrived = 0;

  constructor(listener: Listener) {
    this.#listener = listener;
  }

  asked(): void {
    this.#parser.reset();
    this.#asked = true;
  }

  /** `began`: when the first of these bytes came. */
  read(bytes: Buffer, length: number, at: number, began: number, work: () => number): void {
    this.#arrived = at;
    if (this.#asked) {
      this.#asked = false;
      this.#listener.onFirstByte(began, work());
    }
    const parser = this.#parser;
    const stop = parser.read(bytes, 0, length);
    if (parser.bad || stop < length) this.#listener.onFailure('bad_answer');
    else if (parser.complete) this.#listener.onAnswer(parser, at);
  }

  /** `whole`: the server said that it had nothing more to say, and did not merely go. */
  end(whole: boolean): void {
    if (whole && this.#parser.end()) this.#listener.onAnswer(this.#parser, this.#arrived);
    else this.#listener.onFailure('closed_early');
  }
}

const none = () => 0;

/** Without TLS there is nothing between it and its socket. */
class Plain implements Conversation, ClientHandlers {
  readonly lateFailure = undefined;
  readonly #clients: Clients;
  readonly #request: Buffer;
  readonly #listener: Listener;
  readonly #answers: Answers;
  #client: Client | undefined;

  constructor({ clients }: LinePlan, { request }: Target, listener: Listener) {
    this.#clients = clients;
    this.#request = request;
    this.#listener = listener;
    this.#answers = new Answers(listener);
  }

  connect(endpoints: readonly Endpoint[]): number {
    const client = connectToAny(this.#clients, endpoints, this);
    if (typeof client === 'number') return client;
    this.#client = client;
    return 0;
  }

  onConnect(at: number): void {
    this.#listener.onConnect(at);
    this.#listener.onReady(at);
  }

  onBytes(bytes: Buffer, length: number, at: number): void {
    this.#answers.read(bytes, length, at, at, none);
  }

  onEnd(): void {
    this.#answers.end(true);
  }

  onFailure(result: number): void {
    this.#listener.onFailure(failureOf(errnoName(result)));
  }

  get begun(): number {
    return this.#client!.begun;
  }

  ask(): void {
    this.#answers.asked();
    this.#client!.send(this.#request);
  }

  say(): void {}

  port(): number {
    return this.#client!.port();
  }

  close(closed: () => void): void {
    this.#client?.close();
    closed();
  }
}

export const conversePlainly: Converse = (plan, target, listener) => new Plain(plan, target, listener);

export const converseSecurely: Converse = (plan, target, listener) => {
  const line: Line = new Line(plan, target, ['http/1.1'], {
    onConnect: (at) => listener.onConnect(at),
    onReady: (at, tls) => listener.onReady(at, { tls, work: work() }),
    onFailure: (name) => listener.onFailure(name),
  });
  const { wire, stream } = line;
  const work = () => wire.takeWork();
  const answers = new Answers(listener);
  stream.on('data', (bytes: Buffer) => {
    if (!line.closed) answers.read(bytes, bytes.length, wire.arrived, wire.began, work);
  });
  // What was cut off looks like what has ended to who does not look for TLS's own goodbye (RFC 8446 section 6.1).
  stream.on('end', () => {
    if (!line.closed) answers.end(!wire.ended);
  });
  return {
    connect: (endpoints) => line.connect(endpoints),
    get begun() {
      return wire.begun;
    },
    get lateFailure() {
      return line.lateFailure;
    },
    ask() {
      answers.asked();
      stream.write(target.request);
    },
    say() {},
    port: () => wire.port(),
    close: (closed) => line.close(closed),
  };
};
