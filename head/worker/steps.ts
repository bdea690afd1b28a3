/** What a worker writes into its trace (shared/trace.ts), if there is one: `steps` is undefined without. */
import { socketCookie } from '../../shared/sys/cookie.ts';
import { localEndpoint, peerEndpoint } from '../../shared/sys/endpoints.ts';
import { endsText, type Trace, trace } from '../../shared/trace.ts';
import { modeOutcomes } from '../modes/index.ts';
import { inspectionFailures } from '../refusals.ts';
import type { WorkerCounters } from '../scoreboard.ts';

/** Of the connection with this fd. Its name is asked for once: what was moved away stands for another socket. */
class WorkerSteps {
  readonly #trace: Trace;
  readonly #names = new Map<number, string>();

  constructor(to: Trace) {
    this.#trace = to;
  }

  nameOf(fd: number): string {
    return this.#names.get(fd) ?? `fd${fd}`;
  }

  accept(fd: number, mode: number): void {
    const name = `c${socketCookie(fd)}`;
    this.#names.set(fd, name);
    const [client, server] = [peerEndpoint(fd), localEndpoint(fd)];
    // Its client may have reset it by now.
    const areKnown = typeof client === 'object' && typeof server === 'object';
    this.#trace.say(name, 'accept', areKnown ? endsText(client, server) : '-', mode);
  }

  /** Another head has accepted it, and counted it where it has its answer. */
  succeed(fd: number, hasOutcome: boolean): void {
    const name = `c${socketCookie(fd)}`;
    this.#names.set(fd, name);
    this.#trace.say(name, 'succeed', hasOutcome ? 'counted' : 'open');
  }

  /** A delivery has given it back, and is told that it is the head's. */
  regain(fd: number, slot: number): void {
    const name = `c${socketCookie(fd)}`;
    this.#names.set(fd, name);
    this.#trace.say(name, 'regain', slot);
  }

  /** A delivery has given it back, and is told that it keeps it. */
  decline(fd: number, slot: number): void {
    let name: string;
    try {
      name = `c${socketCookie(fd)}`;
    } catch {
      // What is no socket has no name.
      return;
    }
    this.#trace.say(name, 'decline', slot);
  }

  /** It is its successor's. */
  pass(fd: number): void {
    this.#trace.say(this.nameOf(fd), 'pass');
  }

  /** It is given to the main thread, for a delivery on another host. */
  move(fd: number, slot: number): void {
    this.#trace.say(this.nameOf(fd), 'move', slot);
  }

  moved(fd: number): void {
    this.#trace.say(this.nameOf(fd), 'moved');
  }

  kept(fd: number, slot: number): void {
    this.#trace.say(this.nameOf(fd), 'kept', slot);
  }

  postpone(fd: number): void {
    this.#trace.say(this.nameOf(fd), 'postpone');
  }

  terminate(fd: number): void {
    this.#trace.say(this.nameOf(fd), 'terminate');
  }

  answer(fd: number, outcome: string): void {
    this.#trace.say(this.nameOf(fd), 'answer', outcome);
  }

  fail(fd: number, failure: string): void {
    this.#trace.say(this.nameOf(fd), 'fail', failure);
  }

  close(fd: number): void {
    this.#trace.say(this.nameOf(fd), 'close');
    this.#names.delete(fd);
  }

  counts(row: WorkerCounters): void {
    const outcomes = modeOutcomes.reduce((sum, { total }) => sum + row.get(total), 0);
    const failures = inspectionFailures.reduce((sum, name) => sum + row.get(name), 0);
    const came = row.get('accepted') + row.get('given_back');
    this.#trace.say('-', 'counts', came, row.get('open'), outcomes, failures, row.get('late_messages'));
  }

  lane(slot: number, deliveryEnd: number): LaneSteps {
    return new LaneSteps(this.#trace, this, slot, deliveryEnd);
  }
}

/** Of one lane. Both processes have the delivery's end of it, and call it by that. */
export class LaneSteps {
  readonly #trace: Trace;
  readonly #of: WorkerSteps;
  readonly #name: string;

  constructor(to: Trace, of: WorkerSteps, slot: number, deliveryEnd: number) {
    this.#trace = to;
    this.#of = of;
    this.#name = `l${socketCookie(deliveryEnd)}`;
    to.say(this.#name, 'open', slot);
  }

  offer(fd: number, id: number): void {
    this.#trace.say(this.#of.nameOf(fd), 'offer', this.#name, id % 2 ** 32);
  }

  hear(isTaken: boolean, fd: number, id: number): void {
    const step = isTaken ? 'hearTaken' : 'hearReturned';
    this.#trace.say(this.#of.nameOf(fd), step, this.#name, id % 2 ** 32);
  }

  hearLate(id: number): void {
    this.#trace.say(this.#name, 'hearLate', id % 2 ** 32);
  }

  hearEnded(count: number): void {
    this.#trace.say(this.#name, 'hearEnded', count);
  }

  shutdown(): void {
    this.#trace.say(this.#name, 'shutdown');
  }

  emptied(): void {
    this.#trace.say(this.#name, 'emptied');
  }

  takeBack(fd: number, id: number): void {
    this.#trace.say(this.#of.nameOf(fd), 'takeBack', this.#name, id % 2 ** 32);
  }
}

export const steps = trace ? new WorkerSteps(trace) : undefined;
