import test from 'ava';
import { loadCorpus } from './corpus.ts';
import { Coverage } from './coverage.ts';
import { Dice } from './dice.ts';
import { Fuzzer } from './fuzzer.ts';
import { mutate } from './mutate.ts';
import type { Target } from './target.ts';
import { targets } from './targets/index.ts';

/** Of new inputs, for each target. */
const MILLIS = 400;
const seed = Number(process.env.BATON_FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 32));
// On before the readers are imported: V8 counts in no code that was compiled before.
const coverage = new Coverage();
test.after.always(() => coverage.close());

const bytes = (input: Uint8Array): string =>
  JSON.stringify(Buffer.from(input).toString('latin1').slice(0, 400));

for (const [name, open] of Object.entries(targets)) {
  test.serial(`${name}: what holds, holds for every input of the corpus and for new ones`, async (t) => {
    const target = await open();
    t.teardown(() => target.close?.());
    const corpus = loadCorpus(name);
    t.true(corpus.length > 0, 'no corpus');
    const fuzzer = new Fuzzer(
      target,
      coverage.of(target.code),
      corpus.map((kept) => kept.bytes),
      seed,
    );
    const until = performance.now() + MILLIS;
    do {
      const failure = await fuzzer.run();
      if (!failure) continue;
      const name = corpus.find((kept) => Buffer.compare(kept.bytes, failure.input) === 0)?.name;
      return t.fail(`${failure.problem} (${name ?? `BATON_FUZZ_SEED=${seed}`}): ${bytes(failure.shrunk)}`);
    } while (performance.now() < until || fuzzer.inputs < corpus.length);
    t.true(fuzzer.reached.share > 0.5, `${fuzzer.reached.share} of its code`);
  });
}

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
