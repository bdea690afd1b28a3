/** What the self-test prints: a heading with the time for each step, a line for each check. */

export interface Journal {
  /** What is thrown is a failed check, and the answer undefined: the rest says more. */
  step<T>(title: string, work: () => Promise<T>): Promise<T | undefined>;
  /** `found` is what the claim was judged by. */
  check(claim: string, holds: boolean, found?: string): void;
  /** Prints the sum; true when every check held. */
  end(): boolean;
}

export function createJournal(): Journal {
  const began = performance.now();
  const seconds = (since: number) => `${((performance.now() - since) / 1000).toFixed(0)} s`;
  let held = 0;
  let failed = 0;
  function check(claim: string, holds: boolean, found?: string): void {
    if (holds) held++;
    else failed++;
    console.log(`   ${holds ? 'ok    ' : 'FAILED'} ${claim}${found === undefined ? '' : `: ${found}`}`);
  }
  return {
    async step(title, work) {
      const start = performance.now();
      console.log(`\n== ${title}`);
      try {
        return await work();
      } catch (error) {
        check('nothing unexpected', false, error instanceof Error ? error.message : String(error));
        return undefined;
      } finally {
        console.log(`   (${title}: ${seconds(start)})`);
      }
    },
    check,
    end() {
      console.log(`\n${held} checks held, ${failed} failed, in ${seconds(began)}`);
      return failed === 0;
    },
  };
}
