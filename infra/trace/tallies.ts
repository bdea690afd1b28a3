/** What each thread of a head has done, as its trace has it: compared with what it has counted itself. */
import type { Thread } from './steps.ts';

interface Tally {
  accepted: number;
  outcomes: number;
  failures: number;
  late: number;
  hasCounts: boolean;
}

export class Tallies {
  readonly #tallies = new Map<Thread, Tally>();

  of(thread: Thread): Tally {
    let tally = this.#tallies.get(thread);
    if (!tally) {
      tally = { accepted: 0, outcomes: 0, failures: 0, late: 0, hasCounts: false };
      this.#tallies.set(thread, tally);
    }
    return tally;
  }

  /** What is wrong with its last accounts; `open`: of its connections. */
  compare(thread: Thread, open: number, counts: readonly string[]): string | undefined {
    const tally = this.of(thread);
    if (tally.hasCounts) return 'these were its last';
    tally.hasCounts = true;
    const { accepted, outcomes, failures, late } = tally;
    const seen = [accepted, open, outcomes, failures, late].join(' ');
    const counted = counts.join(' ');
    return seen === counted
      ? undefined
      : `accepted, open, outcomes, failures, late are ${seen}, and counted as ${counted}`;
  }

  threads(): Iterable<Thread> {
    return this.#tallies.keys();
  }

  withoutAccounts(): Thread[] {
    return [...this.#tallies].filter(([, { hasCounts }]) => !hasCounts).map(([thread]) => thread);
  }
}
