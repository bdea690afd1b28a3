/**
 * Who is to have what deliveries of other hosts give back: a worker chooses, as it does for all others, in turn. Whom it has chosen
 * has a credit less from then on, until the worker is told that it has the connection, or that nothing comes of it.
 */
import { NOBODY } from '../modes/mode.ts';
import type { FromWorker, ToWorker } from '../worker-messages.ts';

export type Question = Omit<ToWorker & { type: 'weigh' }, 'type' | 'ticket'>;

interface Asked {
  readonly worker: number;
  /** Undefined: nobody waits for it any more. */
  answer: ((isPossible: boolean) => void) | undefined;
}

export class Weighing {
  readonly #tell: (worker: number, message: ToWorker) => void;
  readonly #workers: number;
  readonly #asked = new Map<number, Asked>();
  #last = 0;

  constructor(workers: number, tell: (worker: number, message: ToWorker) => void) {
    this.#workers = workers;
    this.#tell = tell;
  }

  /** Where the answer is true, `regained` or `forsake` must follow. */
  ask(question: Question, answer: (isPossible: boolean) => void): number {
    const ticket = ++this.#last;
    const worker = ticket % this.#workers;
    this.#asked.set(ticket, { worker, answer });
    this.#tell(worker, { type: 'weigh', ticket, ...question });
    return ticket;
  }

  answered({ ticket, slot }: FromWorker & { type: 'weighed' }): void {
    const asked = this.#asked.get(ticket);
    if (!asked) return;
    const { answer } = asked;
    if (slot === NOBODY) this.#asked.delete(ticket);
    else if (!answer) return this.forsake(ticket);
    answer?.(slot !== NOBODY);
  }

  /** It is the worker's from now on, a connection as one that was just accepted. */
  regained(ticket: number, fd: number): void {
    this.#say(ticket, { type: 'regained', ticket, fd });
  }

  forsake(ticket: number): void {
    this.#say(ticket, { type: 'forsaken', ticket });
  }

  #say(ticket: number, message: ToWorker): void {
    const asked = this.#asked.get(ticket);
    this.#asked.delete(ticket);
    if (asked) this.#tell(asked.worker, message);
  }

  /** Whatever the answer is, nothing comes of it. */
  cancel(ticket: number): void {
    const asked = this.#asked.get(ticket);
    if (asked) asked.answer = undefined;
  }
}
