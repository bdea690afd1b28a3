/** What a suite of somebody else's tests is to the runner. */

/** `direct`: the suite as it is; otherwise with a head before each of its servers. */
export interface Way {
  /** What the environment has besides this process's own. */
  readonly environment: Readonly<Record<string, string>>;
  readonly direct: boolean;
}

export interface Outcome {
  /** Unique in its suite. */
  readonly test: string;
  readonly result: 'passed' | 'failed' | 'skipped';
  /** Why it failed, as far as it says. */
  readonly detail: string;
}

export interface RunSuite {
  /** The tests' folder, as `find` found it. */
  readonly directory: string;
  readonly way: Way;
  /** Only these tests; all when it is left out. */
  readonly only?: ReadonlySet<string>;
  /** Tests that are expected to fail, and are not waited for as long as others. */
  readonly hopeless?: ReadonlySet<string>;
  readonly onOutcome?: (outcome: Outcome) => void;
}

export interface Suite {
  readonly name: string;
  readonly about: string;
  /** A file that is in its folder, by which it is known. */
  readonly landmark: string;
  /** Debian's source package, and what of it is needed; undefined: not in Debian. */
  readonly debian?: { readonly source: string; readonly members: readonly string[] };
  /** Whether the tests of this version (as the source package says) can be run. */
  readonly fits?: (version: string) => boolean;
  /** It starts more servers than heads can be started for, and does not mind a port that answers after its server closed. */
  readonly lendsAgain?: boolean;
  run(run: RunSuite): Promise<Outcome[]>;
}
