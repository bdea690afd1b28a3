/** The models of docs/model/ hold, and each check that they name is needed: without it the checker finds a fault. */
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { execa } from 'execa';
import { needing } from './support/needs.ts';

const models = [
  'handoff',
  'move',
  'move-remote',
  'requests',
  'migration',
  'takeover',
  'links',
  'failover',
] as const;
/** Below this many most of a model is out of reach. */
const statesAtLeast = {
  handoff: 100_000,
  move: 100_000,
  'move-remote': 5000,
  requests: 100_000,
  migration: 100_000,
  takeover: 5000,
  links: 20_000,
  failover: 5000,
} as const;
const pathOf = (model: string) => fileURLToPath(new URL(`../docs/model/${model}.pml`, import.meta.url));

interface Verdict {
  readonly errors: number;
  readonly states: number;
  /** The whole state space was searched. */
  readonly isComplete: boolean;
}

/** Faults that are found much earlier when a search takes the steps that are possible in the reverse order. */
const earlierInReverse = new Set([
  'handoff COUNT_TWICE',
  'migration NO_ID',
  'migration NO_DOUBT',
  'migration NO_CHECK',
  'migration NO_OWNER',
]);

/** What spin writes of a model, in functions of thousands of lines: to optimize them takes longer than it saves. */
const long = /^(?=(?:new_state|do_transit|do_reverse|run|settable)\()/gm;

/** Compiles a search of every state: what stores states and looks them up is worth optimizing, the model itself is not. */
async function compileLongSearch(cwd: string): Promise<void> {
  for (const name of ['pan.c', 'pan.t']) {
    const file = join(cwd, name);
    await writeFile(
      file,
      (await readFile(file, 'latin1')).replaceAll(long, '__attribute__((optnone, noinline)) '),
      'latin1',
    );
  }
  await execa('clang', ['-O1', '-w', '-DSAFETY', '-o', 'pan', 'pan.c'], { cwd });
}

/** Searches every state of a model, compiled with a check left out where `without` names one. */
async function check(
  t: ExecutionContext,
  model: (typeof models)[number],
  without?: string,
): Promise<Verdict> {
  const cwd = await mkdtemp(join(tmpdir(), 'baton-model-'));
  t.teardown(() => rm(cwd, { recursive: true, force: true }));
  const define = without === undefined ? [] : [`-D${without}`];
  const order = earlierInReverse.has(`${model} ${without}`) ? ['-DT_REVERSE'] : [];
  await execa('spin', [...define, '-a', pathOf(model)], { cwd });
  // To compress states (-DCOLLAPSE) takes longer as well: uncompressed they take less than a gigabyte.
  const isLong = without === undefined && statesAtLeast[model] >= 100_000;
  if (isLong) await compileLongSearch(cwd);
  else await execa('clang', ['-O0', '-w', '-DSAFETY', ...order, '-o', 'pan', 'pan.c'], { cwd });
  const { stdout } = await execa(join(cwd, 'pan'), ['-m10000'], { cwd, reject: false });
  const number = (pattern: RegExp) => Number(pattern.exec(stdout)?.[1]);
  return {
    errors: number(/errors: (\d+)/),
    states: number(/(\d+) states, stored/),
    isComplete: !/Search not completed|max search depth too small/.test(stdout),
  };
}

const declare = needing(['spin', 'clang'], test.serial);

for (const model of models) {
  declare(`the model of ${model} holds in every state`, async (t) => {
    t.timeout(600_000);
    const { errors, states, isComplete } = await check(t, model);
    t.is(errors, 0);
    t.true(isComplete);
    t.true(states > statesAtLeast[model], `${states} states: most of the model is out of reach`);
  });

  const text = readFileSync(pathOf(model), 'utf8');
  const checks = [...new Set([...text.matchAll(/^#ifn?def ([A-Z_]+)$/gm)].map(([, name]) => name!))];
  for (const name of checks) {
    declare(`the model of ${model} fails without ${name}`, async (t) => {
      t.timeout(600_000);
      t.regex(text, new RegExp(`^ \\*   ${name} `, 'm'), 'it is explained at the top');
      t.is((await check(t, model, name)).errors, 1);
    });
  }
}
