import test from 'ava';
import { readTap } from '../../../infra/suites/tap.ts';

test("the tests of Node's runner are told by their groups, and a group is none of them", (t) => {
  const outcomes = readTap(`TAP version 13
# Subtest: the app
    # Subtest: answers
    ok 1 - answers
      ---
      duration_ms: 1.5
      ...
    # Subtest: ends
    not ok 2 - ends
      ---
      error: 'too late'
      ...
    # Subtest: sleeps
    ok 3 - sleeps # SKIP
    1..3
not ok 1 - the app
  ---
  error: '1 subtest failed'
  ...
# Subtest: alone
ok 2 - alone
1..2
`);
  t.deepEqual(
    outcomes.map(({ test: title, result }) => [title, result]),
    [
      ['the app > answers', 'passed'],
      ['the app > ends', 'failed'],
      ['the app > sleeps', 'skipped'],
      ['alone', 'passed'],
    ],
  );
  t.true(outcomes[1]!.detail.includes('too late'));
});

test('a group that fails though its tests pass is told of', (t) => {
  const outcomes = readTap(`# Subtest: the app
    # Subtest: answers
    ok 1 - answers
    1..1
not ok 1 - the app
`);
  t.deepEqual(
    outcomes.map(({ test: title, result }) => [title, result]),
    [
      ['the app > answers', 'passed'],
      ['the app', 'failed'],
    ],
  );
});

test("mocha's titles are kept apart when two are the same", (t) => {
  const outcomes = readTap(`1..4
ok 1 res .send works
ok 2 res .send works
not ok 3 res .json "before each" hook
  Error: no
    at here
ok 4 res .later # SKIP -
`);
  t.deepEqual(outcomes, [
    { test: 'res .send works', result: 'passed', detail: '' },
    { test: 'res .send works (2)', result: 'passed', detail: '' },
    { test: 'res .json "before each" hook', result: 'failed', detail: '  Error: no\n    at here\n' },
    { test: 'res .later', result: 'skipped', detail: '' },
  ]);
});
