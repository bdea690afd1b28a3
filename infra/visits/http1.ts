/** Visits by HTTP/1.1, over TLS and without it. */
import { errnoName } from '../../shared/sys/libc.ts';
import { connectToAny } from './addresses.ts';
import type { Client } from './clients.ts';
import type { Converse, Listener } from './conversation.ts';
import { failureOf } from './failures.ts';
import { Line } from './line.ts';
import { ResponseParser } from './response.ts';

/** Reads answer after answer, and tells the listener. */
class Answers {
  readonly #parser = new ResponseParser();
  readonly #listener: Listener;
  readonly #fail: (name: string) => void;
  #asked = false;
  /** When bytes came last. */
  #arrived = 0;

  constructor(listener: Listener, fail: (name: string) => void) {
    this.#listener = listener;
    this.#fail = fail;
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
    if (parser.bad || stop < length) this.#fail('bad_answer');
    else if (parser.complete) this.#listener.onAnswer(parser, at);
  }

  /** `whole`: the server said that it had nothing more to say, and did not merely go. */
  end(whole: boolean): void {
    if (whole && this.#parser.end()) this.#listener.onAnswer(this.#parser, this.#arrived);
    else this.#fail('closed_early');
  }
}

const none = () => 0;

/** Without TLS there is nothing between it and its socket. */
export const conversePlainly: Converse = ({ clients }, { request }, listener) => {
  const fail = (name: string) => listener.onFailure(name);
  const answers = new Answers(listener, fail);
  let client: Client | undefined;
  return {
    connect(endpoints) {
      const connecting = connectToAny(clients, endpoints, {
        onConnect(at) {
          listener.onConnect(at);
          listener.onReady(at);
        },
        onBytes: (bytes, length, at) => answers.read(bytes, length, at, at, none),
        onEnd: () => answers.end(true),
        onFailure: (result) => fail(failureOf(errnoName(result))),
      });
      if (typeof connecting === 'number') return connecting;
      client = connecting;
      return 0;
    },
    get begun() {
      return client!.begun;
    },
    lateFailure: undefined,
    ask() {
      answers.asked();
      client!.send(request);
    },
    say() {},
    port: () => client!.port(),
    close(closed) {
      client?.close();
      closed();
    },
  };
};

export const converseSecurely: Converse = (plan, target, listener) => {
  const line: Line = new Line(plan, target, ['http/1.1'], {
    onConnect: (at) => listener.onConnect(at),
    onReady: (at, tls) => listener.onReady(at, { tls, work: work() }),
    onFailure: (name) => listener.onFailure(name),
  });
  const { wire, stream } = line;
  const work = () => wire.takeWork();
  const answers = new Answers(listener, (name) => listener.onFailure(name));
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
