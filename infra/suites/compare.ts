/** A suite through a head beside itself directly, and beside the differences that are expected. */
import type { Outcome, RunSuite, Suite, Way } from './suite.ts';

export interface Comparison {
  readonly passed: number;
  readonly skipped: number;
  /** Fail directly as well. */
  readonly failDirectly: readonly Outcome[];
  /** Passed only when they were tried again. */
  readonly unsteady: readonly Outcome[];
  /** Fail through a head alone, as is expected. */
  readonly expected: readonly Outcome[];
  /** Fail through a head alone, and should not. */
  readonly unexpected: readonly Outcome[];
  /** Are expected to fail, and pass. */
  readonly unfounded: readonly string[];
}

/** How often a test may be tried again: a busy machine makes some of them fail, directly as well. */
const AGAIN = 2;

export async function compare(
  suite: Suite,
  { directory, through, onOutcome }: { directory: string; through: Way } & Pick<RunSuite, 'onOutcome'>,
  expected: Readonly<Record<string, string>>,
): Promise<Comparison> {
  const run = async (way: Way, only?: ReadonlySet<string>) =>
    await suite.run({
      directory,
      way,
      ...(only && { only }),
      ...(way === through && { hopeless: new Set(Object.keys(expected)), ...(onOutcome && { onOutcome }) }),
    });
  const outcomes = await run(through);
  const failed = new Map(outcomes.filter(isFailed).map((outcome) => [outcome.test, outcome]));
  const directly = failed.size > 0 ? await run(DIRECT, new Set(failed.keys())) : [];
  const failDirectly = directly.filter(isFailed);
  for (const { test } of failDirectly) failed.delete(test);

  const unsteady: Outcome[] = [];
  for (let again = 0; again < AGAIN; again++) {
    const surprising = new Set([...failed.keys()].filter((test) => !Object.hasOwn(expected, test)));
    if (surprising.size === 0) break;
    for (const { test } of (await run(through, surprising)).filter((outcome) => !isFailed(outcome))) {
      unsteady.push(failed.get(test)!);
      failed.delete(test);
    }
  }
  const passed = new Set(outcomes.filter(({ result }) => result === 'passed').map(({ test }) => test));
  const differing = [...failed.values()];
  return {
    passed: passed.size + unsteady.length,
    skipped: outcomes.filter(({ result }) => result === 'skipped').length,
    failDirectly,
    unsteady,
    expected: differing.filter(({ test }) => Object.hasOwn(expected, test)),
    unexpected: differing.filter(({ test }) => !Object.hasOwn(expected, test)),
    unfounded: Object.keys(expected).filter((test) => passed.has(test)),
  };
}

const DIRECT: Way = { direct: true, environment: {} };

const isFailed = ({ result }: Outcome) => result === 'failed';
