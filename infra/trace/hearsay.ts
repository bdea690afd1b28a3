/**
 * Holds what deliveries tell heads of connections that other heads have moved against docs/model/failover.pml: they tell of what
 * lives there, and a head that has heard of one numbers whatever it moves from then on higher.
 */
import type { Rules, Step, Thread } from './steps.ts';

/** What is a day ahead is not believed (head/migrate/ids.ts): 2^23 numbers a second. */
const AHEAD = 86_400 * 2 ** 23;

/** A worker takes a number, and may stand still, on a machine that others want, before it says so: what another thread hears meanwhile is higher. */
const TAKEN_BEFORE_NANOS = 1_000_000_000n;

interface Heard {
  readonly id: number;
  readonly at: bigint;
  readonly thread: Thread;
}

export class Hearsay implements Rules {
  /** By migration: it stands at a delivery that writes a trace, or lives there, or has. */
  readonly #at = new Map<string, 'prepared' | 'live'>();
  /** By head process: the highest number that it has heard of, and by which of its threads when. */
  readonly #heard = new Map<number, Heard>();

  take(step: Step): string | undefined {
    const { subject, transition } = step;
    if (transition === 'prepare') this.#at.set(subject, 'prepared');
    else if (transition === 'activate') this.#at.set(subject, 'live');
    else if (transition === 'learn') return this.#learn(step);
    else if (transition === 'adopt') return this.#adopt(step);
    return undefined;
  }

  #learn({ subject, at, thread }: Step): string | undefined {
    const id = Number(subject.slice(1));
    if (id > (this.#heard.get(thread.pid)?.id ?? 0)) this.#heard.set(thread.pid, { id, at, thread });
    return this.#at.get(subject) === 'prepared' ? 'it is told to live, and does not yet' : undefined;
  }

  #adopt({ subject, at, thread }: Step): string | undefined {
    const id = Number(subject.slice(1));
    const heard = this.#heard.get(thread.pid);
    // Rehearsals have the number 0.
    if (id === 0 || !heard || id > heard.id || heard.id - id >= AHEAD) return undefined;
    if (heard.thread !== thread && at - heard.at < TAKEN_BEFORE_NANOS) return undefined;
    return `it has heard of m${heard.id}`;
  }

  end(): string[] {
    return [];
  }
}
