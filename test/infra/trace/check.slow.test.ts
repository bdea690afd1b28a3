import test, { type ExecutionContext } from 'ava';
import { checkTrace as check } from '../../../infra/trace/index.ts';
import { needing } from '../../support/needs.ts';
import { simulate } from '../../support/simulate.ts';

const HEAD = 9;
const ID = 5;

/** Of processes that go on: what is not over is no fault. */
const checkTrace = (text: string): readonly string[] => check(text, { running: [HEAD, 1, 2, 3, 4] }).faults;

/** Lines as processes write them; the n-th at n. */
const traceOf = (...steps: readonly (readonly [process: number, transition: string])[]): string =>
  steps.map(([process, transition], at) => `${at} ${process}.0 m${ID} ${transition}\n`).join('');

test('what the protocol does is accepted', (t) => {
  const commonWay = traceOf(
    [HEAD, 'adopt'],
    [1, 'prepare'],
    [HEAD, 'forward'],
    [HEAD, 'commit'],
    [1, 'activate'],
    [HEAD, 'confirmed'],
    [1, 'closed'],
  );
  t.deepEqual(checkTrace(commonWay), []);
  t.deepEqual(checkTrace(traceOf([HEAD, 'adopt'], [1, 'prepare'], [HEAD, 'release'], [1, 'abandon'])), []);
  // Its process has died: it has nothing to say any more.
  const died = traceOf(
    [HEAD, 'adopt'],
    [1, 'prepare'],
    [HEAD, 'forward'],
    [HEAD, 'commit'],
    [1, 'activate'],
    [HEAD, 'resetAway'],
  );
  t.deepEqual(checkTrace(died), []);
  t.regex(checkTrace(`${died}9 1.0 m7 prepare\n`).join(), /m5: reset at 5 while 1.0 had it, and lived/);
});

test('files of several processes are read in the order of time', (t) => {
  t.deepEqual(checkTrace(`2 1.0 m${ID} prepare\n1 ${HEAD}.0 m${ID} adopt\n`), []);
});

for (const [what, ...steps] of [
  ['a delivery that speaks before the word', [HEAD, 'adopt'], [1, 'prepare'], [1, 'activate']],
  ['a head that goes on with what it has let go', [HEAD, 'adopt'], [HEAD, 'forward'], [HEAD, 'release']],
  ['a word before the packets go there', [HEAD, 'adopt'], [HEAD, 'commit']],
  ['two deliveries', [HEAD, 'adopt'], [1, 'prepare'], [2, 'prepare']],
  ['what nobody has offered', [1, 'prepare']],
  ['two ends', [HEAD, 'adopt'], [HEAD, 'release'], [HEAD, 'release']],
] as const) {
  test(`${what}: refused`, (t) => {
    t.is(checkTrace(traceOf(...steps)).length, 1);
  });
}

test('what is no trace, and one with lines missing, is no answer', (t) => {
  t.throws(() => checkTrace('nonsense\n'), { message: 'not a line of a trace: nonsense' });
  t.throws(() => checkTrace('1 9.0 - dropped 40\n'), { message: '9.0 lost 40 lines' });
});

/** One run of the model, its choices made by the seed. */
async function runOf(t: ExecutionContext, seed: number, without?: string): Promise<string> {
  const stdout = await simulate(t, 'migration', seed, without);
  return [...stdout.matchAll(/^TRACE (\d+) (\d+) (\w+)$/gm)]
    .map(([, process, id, transition], at) => `${at} ${process}.0 m${Number(id) + 1} ${transition}\n`)
    .join('');
}

const declare = needing(['spin'], test);

declare('what the model does is accepted, whatever happens in it', async (t) => {
  const seen = new Set<string>();
  for (let seed = 1; seed <= 60; seed++) {
    const trace = await runOf(t, seed);
    t.deepEqual(checkTrace(trace), [], `seed ${seed}\n${trace}`);
    for (const [, transition] of trace.matchAll(/ (\w+)\n/g)) seen.add(transition!);
  }
  for (const transition of [
    'adopt',
    'release',
    'commit',
    'confirmed',
    'prepare',
    'abandon',
    'activate',
    'closed',
  ])
    t.true(seen.has(transition), transition);
});

declare('and not what it does when the word is given too early', async (t) => {
  for (let seed = 1; ; seed++) {
    if (seed > 100) throw new Error('a hundred runs were accepted');
    if (checkTrace(await runOf(t, seed, 'COMMIT_FIRST')).length > 0) break;
  }
  t.pass();
});
