import test from 'ava';
import { nearest } from '../../../../infra/lab/file/nearest.ts';

test('a word that is far from all is not guessed', (t) => {
  t.is(nearest('kil', ['kill', 'start']), 'kill');
  t.is(nearest('qqqqqq', ['kill', 'start']), undefined);
});
