import test from 'ava';
import { Dice } from './dice.ts';
import { Fuzzer } from './fuzzer.ts';
import { coverage, declareHolds } from './holds.ts';
import { mutate } from './mutate.ts';
import type { Target } from './target.ts';

// Longer: fuzz.proof.test.ts, and `npm run fuzz`.
declareHolds(50);

const planted = async (): Promise<Target> => {
  const { readPlanted } = await import('./planted.ts');
  return { about: 'four bytes', code: ['test/fuzz/planted.ts'], longest: 8, check: readPlanted };
};

test.serial(
  'a fault behind four right bytes is found by what was reached on the way, and made small',
  async (t) => {
    const fuzzer = new Fuzzer(
      await planted(),
      coverage.of(['test/fuzz/planted.ts']),
      [Buffer.from('xxxxxxxx')],
      7,
    );
    let failure: Awaited<ReturnType<Fuzzer['run']>>;
    while (!failure && fuzzer.inputs < 200_000) failure = await fuzzer.run();
    t.is(failure?.problem, 'the planted fault');
    t.is(Buffer.from(failure!.shrunk).toString(), 'Bato');
  },
);

test.serial('what takes too long or too much for its length is a failure', async (t) => {
  const open = { about: '', code: [], longest: 8 };
  let hoard: Uint8Array[] = [];
  const greedy: Target = {
    ...open,
    check(input) {
      hoard = [Buffer.alloc(input.length > 4 ? 128 << 20 : 0, 1)];
      return String(hoard.length);
    },
  };
  const slow: Target = {
    ...open,
    check(input) {
      const until = process.cpuUsage().user + (input.length > 4 ? 150_000 : 0);
      while (process.cpuUsage().user < until);
      return '';
    },
  };
  for (const [target, why] of [
    [greedy, /^takes \d+ bytes of memory$/],
    [slow, /^takes \d+ ms$/],
  ] as const) {
    const fuzzer = new Fuzzer(target, coverage.of([]), [Buffer.from('12345678')], 1);
    t.regex((await fuzzer.examine(Buffer.from('12345')))!, why);
    t.is(await fuzzer.examine(Buffer.from('1234')), undefined);
  }
});

test('the same seed makes the same inputs, none longer than it may be', (t) => {
  const run = () => {
    const dice = new Dice(5);
    const others = {
      words: [Buffer.from('word')],
      corpus: [Buffer.from('GET / HTTP/1.1\r\n\r\n'), new Uint8Array(0)],
    };
    return Array.from({ length: 2000 }, () =>
      Buffer.from(mutate(dice, dice.pick(others.corpus), others, 100)).toString('hex'),
    );
  };
  const inputs = run();
  t.deepEqual(run(), inputs);
  t.true(inputs.every((input) => input.length <= 200));
  t.true(new Set(inputs).size > 1000);
});
