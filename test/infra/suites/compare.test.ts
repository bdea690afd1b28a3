import test from 'ava';
import { compare } from '../../../infra/suites/compare.ts';
import type { Outcome, Suite, Way } from '../../../infra/suites/suite.ts';

const through: Way = { direct: false, environment: {} };

/** What each test does directly and through a head, run after run; the last goes on. */
function suiteOf(tests: Record<string, { direct: Outcome['result']; through: Outcome['result'][] }>): Suite {
  const runs: Record<string, number> = {};
  return {
    name: 'a',
    about: 'a suite',
    landmark: 'a',
    run: async ({ way, only }) =>
      Object.entries(tests)
        .filter(([name]) => only?.has(name) ?? true)
        .map(([name, { direct, through }]) => {
          if (way.direct) return { test: name, result: direct, detail: '' };
          const run = runs[name] ?? 0;
          runs[name] = run + 1;
          return { test: name, result: through[Math.min(run, through.length - 1)]!, detail: `run ${run}` };
        }),
  };
}

test('a test that fails through a head alone differs, as expected or not', async (t) => {
  const suite = suiteOf({
    same: { direct: 'passed', through: ['passed'] },
    'fails anyway': { direct: 'failed', through: ['failed'] },
    asleep: { direct: 'skipped', through: ['skipped'] },
    'head waits': { direct: 'passed', through: ['failed'] },
    broken: { direct: 'passed', through: ['failed'] },
    'fixed meanwhile': { direct: 'passed', through: ['passed'] },
    'sometimes late': { direct: 'passed', through: ['failed', 'failed', 'passed'] },
  });
  const comparison = await compare(
    suite,
    { directory: '', through },
    { 'head waits': 'it waits', 'fixed meanwhile': 'it was broken' },
  );
  const names = (outcomes: readonly Outcome[]) => outcomes.map((outcome) => outcome.test);
  t.is(comparison.passed, 3);
  t.is(comparison.skipped, 1);
  t.deepEqual(names(comparison.failDirectly), ['fails anyway']);
  t.deepEqual(names(comparison.expected), ['head waits']);
  t.deepEqual(names(comparison.unexpected), ['broken']);
  t.deepEqual(names(comparison.unsteady), ['sometimes late']);
  t.deepEqual(comparison.unfounded, ['fixed meanwhile']);
});
