/** Visits by WebSocket (RFC 6455), to a server that sends back what it is sent. */
import { WebSocket } from 'ws';
import type { Endpoint } from '../../shared/sys/endpoints.ts';
import type { Conversation, Converse, Listener } from './conversation.ts';
import { Line, type LinePlan } from './line.ts';
import type { Target } from './target.ts';

/** Bytes; what an echo sends back is far shorter. */
const MESSAGE_MAX = 64 * 1024;

class Talk implements Conversation {
  readonly #line: Line;
  readonly #listener: Listener;
  readonly #target: Target;
  #socket: WebSocket | undefined;
  #number = 0;
  /** What is out. */
  #said: string | undefined;
  /** Another message came than the one that is awaited. */
  #misheard = false;
  #left = false;

  constructor(plan: LinePlan, target: Target, listener: Listener) {
    this.#listener = listener;
    this.#target = target;
    this.#line = new Line(plan, target, ['http/1.1'], {
      onConnect: (at) => listener.onConnect(at),
      onReady: (at, tls) => listener.onReady(at, { tls, work: this.#line.wire.takeWork() }),
      onFailure: (name) => this.#left || listener.onFailure(this.#misheard ? 'no_echo' : name),
    });
  }

  connect(endpoints: readonly Endpoint[]): number {
    return this.#line.connect(endpoints);
  }

  /** Asks for a WebSocket. */
  ask(): void {
    const { wire, stream } = this.#line;
    const { url, authorization } = this.#target;
    const socket = new WebSocket(url, {
      createConnection: () => stream as never,
      headers: {
        'user-agent': 'baton-visit',
        ...(authorization === undefined ? {} : { authorization }),
      },
      maxPayload: MESSAGE_MAX,
      perMessageDeflate: false,
    });
    this.#socket = socket;
    stream.once('data', () => this.#left || this.#listener.onFirstByte(wire.began, wire.takeWork()));
    socket.on('open', () => this.#answered(101));
    // A 101 that upgrades to nothing is such an answer, too.
    socket.on('unexpected-response', (_, { statusCode = 0 }) =>
      statusCode === 101 ? this.#fail('not_upgraded') : this.#answered(statusCode),
    );
    socket.on('message', (bytes: Buffer, binary) => this.#hear(bytes, binary));
    socket.on('error', (error: NodeJS.ErrnoException) => this.#fail(failureOf(error, socket.readyState)));
    socket.on('close', () => this.#fail(this.#misheard ? 'no_echo' : 'closed_early'));
  }

  #answered(status: number): void {
    if (this.#left) return;
    this.#listener.onAnswer(
      { status, location: undefined, bodyBytes: 0, keepAlive: true },
      this.#line.wire.arrived,
    );
  }

  say(): void {
    this.#said = `message ${++this.#number}`;
    this.#socket!.send(this.#said);
  }

  #hear(bytes: Buffer, binary: boolean): void {
    if (this.#left) return;
    if (binary || bytes.toString('latin1') !== this.#said) {
      this.#misheard = true;
      return;
    }
    const { arrived, sent } = this.#line.wire;
    this.#said = undefined;
    this.#listener.onMessage(Math.max(0, arrived - sent), arrived);
  }

  #fail(name: string): void {
    if (!this.#left) this.#line.fail(name);
  }

  get begun(): number {
    return this.#line.wire.begun;
  }

  get lateFailure(): string | undefined {
    return this.#misheard ? 'no_echo' : this.#line.lateFailure;
  }

  port(): number {
    return this.#line.wire.port();
  }

  /** Says goodbye where there is somebody to say it to, and does not wait for the answer. */
  close(closed: () => void): void {
    this.#left = true;
    const end = () =>
      this.#line.close(() => {
        this.#socket?.terminate();
        closed();
      });
    if (this.#socket?.readyState !== WebSocket.OPEN) return end();
    this.#socket.close(1000);
    // TLS writes when it has heard that what was written before is on its way.
    setImmediate(() => setImmediate(end));
  }
}

export const converseByWebSocket: Converse = (plan, target, listener) => new Talk(plan, target, listener);

function failureOf({ code }: NodeJS.ErrnoException, state: number): string {
  if (code === 'ECONNRESET') return 'closed_early';
  // ws names what is wrong with a frame, e.g. WS_ERR_INVALID_OPCODE; Node what is wrong with an answer, e.g. HPE_INVALID_CONSTANT.
  return state === WebSocket.OPEN || code?.startsWith('WS_ERR_') ? 'bad_message' : 'bad_answer';
}
