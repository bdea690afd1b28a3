/** The models of docs/model/ hold, and each check that they name is needed: without it the checker finds a fault. */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { execa } from 'execa';
import { needing } from './support/needs.ts';

const models = ['handoff', 'move', 'migration', 'takeover', 'failover'] as const;
/** Below this many most of a model is out of reach. */
const statesAtLeast = {
  handoff: 100_000,
  move: 100_000,
  migration: 100_000,
  takeover: 5000,
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
const earlierInReverse = new Set(['NO_ID', 'NO_DOUBT', 'NO_CHECK', 'NO_OWNER']);

/** Searches every state of a model, compiled with a check left out where `without` names one. */
async function check(t: ExecutionContext, model: string, without?: string): Promise<Verdict> {
  const cwd = await mkdtemp(join(tmpdir(), 'baton-model-'));
  t.teardown(() => rm(cwd, { recursive: true, force: true }));
  const define = without === undefined ? [] : [`-D${without}`];
  const order = without !== undefined && earlierInReverse.has(without) ? ['-DT_REVERSE'] : [];
  await execa('spin', [...define, '-a', pathOf(model)], { cwd });
  // To optimize one function of ten thousand lines takes longer than the search saves, and so does to compress states
  // (-DCOLLAPSE): uncompressed they take less than a gigabyte.
  await execa('clang', ['-O0', '-w', '-DSAFETY', ...order, '-o', 'pan', 'pan.c'], { cwd });
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
