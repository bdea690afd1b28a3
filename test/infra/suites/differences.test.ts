import { readFile } from 'node:fs/promises';
import test from 'ava';
import { expectedDifferences } from '../../../infra/suites/differences.ts';

const MOST_OF_NODE = 15;

test('every difference is in the document with its suite, and the document names no other', async (t) => {
  const text = await readFile(new URL('../../../docs/suites.md', import.meta.url), 'utf8');
  const told = [...text.matchAll(/^\| (\w+) +\| (`+)(.+?)\2 +\| \w+ +\|$/gm)].map(
    ([, suite, , name]) => `${suite} ${name}`,
  );
  const expected = Object.entries(expectedDifferences).flatMap(([suite, tests]) =>
    Object.keys(tests).map((name) => `${suite} ${name}`),
  );
  t.deepEqual(told.toSorted(), expected.toSorted());
});

test(`of Node's own tests at most ${MOST_OF_NODE} differ`, (t) => {
  t.true(Object.keys(expectedDifferences.node!).length <= MOST_OF_NODE);
});
