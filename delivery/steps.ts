/** What a delivery writes into its trace (shared/trace.ts), if there is one. */
import { socketCookie } from '../shared/sys/cookie.ts';
import { type RequestStep, type Trace, type TraceStep, trace } from '../shared/trace.ts';
import type { Arrival } from './connections.ts';

/** Of one lane; its name is that of the socket, which the head has as well. */
export class LaneSteps {
  readonly #trace: Trace;
  readonly #name: string;

  private constructor(to: Trace, fd: number) {
    this.#trace = to;
    this.#name = `l${socketCookie(fd)}`;
  }

  /** Undefined without a trace. */
  static of(fd: number): LaneSteps | undefined {
    return trace && new LaneSteps(trace, fd);
  }

  now(): bigint {
    return this.#trace.now();
  }

  /** *taken* was sent of these, and could leave or not. */
  say(at: bigint, step: 'take' | 'drop', first: number, fds: readonly number[]): void {
    this.#trace.sayAt(
      at,
      fds.map((fd, i): TraceStep => [this.#name, step, (first + i) >>> 0, `c${socketCookie(fd)}`]),
    );
  }

  return(at: bigint, first: number, count: number): void {
    const numbers = Array.from({ length: count }, (_, i) => (first + i) >>> 0);
    this.#trace.sayAt(
      at,
      numbers.map((number): TraceStep => [this.#name, 'return', number]),
    );
  }

  ended(at: bigint, count: number): void {
    this.#trace.sayAt(at, [[this.#name, 'ended', count]]);
  }

  leave(): void {
    this.#trace.say(this.#name, 'leave');
  }
}

/** Its connections are called `session`-number from now on. */
export function traceJoin(fd: number, session: string): void {
  trace?.say(`l${socketCookie(fd)}`, 'join', session);
}

const nameOf = ({ transport, id }: Arrival): string =>
  transport === 'fd' ? `a${id}` : `m${Number.parseInt(id, 36)}`;

/** Its server gets it now. */
export function traceServe(arrival: Arrival): void {
  trace?.say(nameOf(arrival), 'serve');
}

/** It was given back then, and is held; `state`: its application has said what another one needs to go on with it. */
export function traceGive(at: bigint, arrival: Arrival, state: Uint8Array | undefined): void {
  const step: TraceStep = [nameOf(arrival), 'give'];
  trace?.sayAt(at, [state ? [...step, 'state'] : step]);
}

/** Of a connection whose next request may be another's; `bytes` are read of it, of as many as are looked at. */
export function traceRequest(
  arrival: Arrival,
  step: RequestStep | 'stay',
  bytes?: number,
  most?: number,
): void {
  if (arrival.transport !== 'fd') return;
  if (bytes === undefined) trace?.say(nameOf(arrival), step);
  else trace?.say(nameOf(arrival), step, bytes, most!);
}

/** It was given back, and goes on here. */
export function traceStay(arrival: Arrival): void {
  trace?.say(nameOf(arrival), 'stay');
}

/** It is closed. */
export function traceFinish(id: string): void {
  trace?.say(`a${id}`, 'finish');
}
