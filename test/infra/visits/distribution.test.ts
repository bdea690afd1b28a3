/** How visitors differ: drawn as asked for, the same for the same seed and number, whoever draws. */
import test from 'ava';
import { draws, parseDistribution, type Quantity } from '../../../infra/visits/distribution.ts';

const whole: Quantity = {
  least: 1,
  most: 1000,
  whole: true,
  read: (text) => (/^\d+(\.\d+)?$/.test(text) ? Number(text) : undefined),
  readFile: (file) => (file === 'many' ? '1\n5\n\n5\n' : file === 'bad' ? '1\nx\n' : ''),
};
const smooth: Quantity = { ...whole, least: 0, whole: false };

const COUNT = 20_000;
function moments(text: string, quantity: Quantity) {
  const draw = draws(parseDistribution(text, quantity)!, quantity, 3, 1);
  const all = Array.from({ length: COUNT }, (_, number) => draw(number));
  const mean = all.reduce((sum, each) => sum + each, 0) / COUNT;
  const variance = all.reduce((sum, each) => sum + (each - mean) ** 2, 0) / COUNT;
  return { all, mean, deviation: Math.sqrt(variance) };
}

for (const [text, quantity, mean, deviation] of [
  ['7', whole, 7, 0],
  ['uniform:1-9', whole, 5, Math.sqrt((81 - 1) / 12)],
  ['uniform:2-8', smooth, 5, 6 / Math.sqrt(12)],
  ['exponential:5', smooth, 5, 5],
  ['geometric:4', whole, 4, Math.sqrt(12)],
  ['file:many', whole, 11 / 3, Math.sqrt((2 * 16 * 2) / 18)],
] as const) {
  test(`${text} has its mean and its spread`, (t) => {
    const found = moments(text, quantity);
    // Five standard errors.
    t.true(Math.abs(found.mean - mean) <= (5 * deviation) / Math.sqrt(COUNT), `${found.mean}`);
    t.true(Math.abs(found.deviation - deviation) <= 0.05 * deviation, `${found.deviation}`);
    if (quantity.whole) t.true(found.all.every((each) => Number.isInteger(each) && each >= 1));
  });
}

test('what neighbours draw has nothing to do with one another, nor with what is drawn for another purpose', (t) => {
  const { all, mean } = moments('uniform:0-1', smooth);
  const other = draws(parseDistribution('uniform:0-1', smooth)!, smooth, 3, 2);
  const product = (pairs: readonly (readonly [number, number])[]) =>
    pairs.reduce((sum, [one, two]) => sum + (one - mean) * (two - mean), 0) / pairs.length / (1 / 12);
  t.true(Math.abs(product(all.slice(1).map((each, at) => [each, all[at]!] as const))) < 0.04);
  t.true(Math.abs(product(all.map((each, at) => [each, other(at)] as const))) < 0.04);
});

test('the same seed draws the same for a visit, in whatever order', (t) => {
  const draw = () => draws(parseDistribution('exponential:5', smooth)!, smooth, 9, 1);
  const forwards = [0, 1, 2, 3].map(draw());
  t.deepEqual([3, 2, 1, 0].map(draw()).reverse(), forwards);
});

for (const text of [
  '',
  'many',
  'uniform:9-1',
  'uniform:1',
  'uniform:1-2-3',
  'geometric:0',
  'geometric:0.5',
  'normal:5',
  'exponential:',
  '0',
  '1001',
  'file:bad',
  'file:empty',
  '-1',
])
  test(`"${text}" is nothing to draw from`, (t) => t.is(parseDistribution(text, whole), undefined));

test('geometric is of whole numbers', (t) => t.is(parseDistribution('geometric:5', smooth), undefined));
