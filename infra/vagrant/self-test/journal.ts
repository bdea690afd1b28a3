/** What the self-test prints: a heading with the time for each step, a line for each check. */

export interface Journal {
  step<T>(title: string, work: () => Promise<T>): Promise<T>;
  /** A failed check does not end the test: the rest says more. `found` is shown when it failed. */
  check(claim: string, holds: boolean, found?: string): void;
  /** Prints the sum; true when every check held. */
  end(): boolean;
}

export function createJournal(): Journal {
  const began = performance.now();
  const seconds = (since: number) => `${((performance.now() - since) / 1000).toFixed(0)} s`;
  let held = 0;
  let failed = 0;
  return {
    async step(title, work) {
      const start = performance.now();
      console.log(`\n== ${title}`);
      try {
        return await work();
      } finally {
        console.log(`   (${title}: ${seconds(start)})`);
      }
    },
    check(claim, holds, found) {
      if (holds) held++;
      else failed++;
      console.log(`   ${holds ? 'ok    ' : 'FAILED'} ${claim}${found === undefined ? '' : `: ${found}`}`);
    },
    end() {
      console.log(`\n${held} checks held, ${failed} failed, in ${seconds(began)}`);
      return failed === 0;
    },
  };
}
