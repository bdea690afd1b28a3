import { readdirSync } from 'node:fs';
import test from 'ava';
import { rehearseOwnMoves } from '../../../head/worker/rehearsal.ts';
import { asRoot } from '../../support/netns.ts';

const rootTest = asRoot([], test.serial);

rootTest('a worker moves connections with itself, each to its end, and nothing of it is left', async (t) => {
  const open = () => readdirSync('/proc/self/fd').length;
  // What is loaded with the first stays.
  t.true(rehearseOwnMoves() > 0);
  const before = open();
  for (let n = 0; n < 3; n++) t.true(rehearseOwnMoves() > 0);
  t.is(open(), before);
});
