/** Declares a test for each target: what holds, holds for every input of its corpus, and for new ones. */
import test from 'ava';
import { loadCorpus } from './corpus.ts';
import { Coverage } from './coverage.ts';
import { Fuzzer } from './fuzzer.ts';
import { targets } from './targets/index.ts';

const seed = Number(process.env.BATON_FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 32));
// On before the readers are imported: V8 counts in no code that was compiled before.
export const coverage = new Coverage();
test.after.always(() => coverage.close());

const bytes = (input: Uint8Array): string =>
  JSON.stringify(Buffer.from(input).toString('latin1').slice(0, 400));

/** `millis`: of new inputs, for each target. */
export function declareHolds(millis: number): void {
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
      const until = performance.now() + millis;
      do {
        const failure = await fuzzer.run();
        if (!failure) continue;
        const name = corpus.find((kept) => Buffer.compare(kept.bytes, failure.input) === 0)?.name;
        return t.fail(`${failure.problem} (${name ?? `BATON_FUZZ_SEED=${seed}`}): ${bytes(failure.shrunk)}`);
      } while (performance.now() < until || fuzzer.inputs < corpus.length);
      t.true(fuzzer.reached.share > 0.5, `${fuzzer.reached.share} of its code`);
    });
  }
}
