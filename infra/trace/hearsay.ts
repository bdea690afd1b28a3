/**
 * Holds what deliveries tell heads of connections that other heads have moved against docs/model/failover.pml: they tell of what
 * lives there, and a head that has heard of one numbers whatever it moves from then on higher.
 */
import type { Rules, Step } from './steps.ts';

/** What is a day ahead is not believed (head/migrate/ids.ts): 2^23 numbers a second. */
const AHEAD = 86_400 * 2 ** 23;

export class Hearsay implements Rules {
  /** By migration: it stands at a delivery that writes a trace, or lives there, or has. */
  readonly #at = new Map<string, 'prepared' | 'live'>();
  /** By head process: the highest number that it has heard of. */
  readonly #heard = new Map<number, number>();

  take({ subject, transition, thread: { pid } }: Step): string | undefined {
    if (transition === 'prepare') this.#at.set(subject, 'prepared');
    else if (transition === 'activate') this.#at.set(subject, 'live');
    else if (transition === 'learn') return this.#learn(subject, pid);
    else if (transition === 'adopt') return this.#adopt(subject, pid);
    return undefined;
  }

  #learn(subject: string, pid: number): string | undefined {
    const id = Number(subject.slice(1));
    this.#heard.set(pid, Math.max(this.#heard.get(pid) ?? 0, id));
    return this.#at.get(subject) === 'prepared' ? 'it is told to live, and does not yet' : undefined;
  }

  #adopt(subject: string, pid: number): string | undefined {
    const id = Number(subject.slice(1));
    const heard = this.#heard.get(pid) ?? 0;
    // Rehearsals have the number 0.
    if (id === 0 || id > heard || heard - id >= AHEAD) return undefined;
    return `it has heard of m${heard}`;
  }

  end(): string[] {
    return [];
  }
}
