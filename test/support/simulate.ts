/** Runs of a model of docs/model/, by spin: one whose choices are made by a seed, and one that its checker found to be wrong. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { execa } from 'execa';

/**
 * What it prints; with a check left out where `without` names one. `budgets`: variables that say how often something may go wrong,
 * and begin lower than in the model: a run that is drawn by lot comes to few of its ends where all of it goes wrong at once.
 */
export async function simulate(
  t: ExecutionContext,
  model: string,
  seed: number,
  without?: string,
  budgets: Readonly<Record<string, number>> = {},
): Promise<string> {
  const cwd = await folderOf(t);
  let text = await readFile(fileOf(model), 'utf8');
  for (const [name, most] of Object.entries(budgets))
    text = text.replace(new RegExp(`^byte ${name} = \\d+;`, 'm'), `byte ${name} = ${most};`);
  const file = join(cwd, `${model}.pml`);
  await writeFile(file, text);
  const define = without === undefined ? [] : [`-D${without}`];
  return (await execa('spin', [...define, `-n${seed}`, '-T', '-u5000', file], { cwd, reject: false })).stdout;
}

const fileOf = (model: string) => fileURLToPath(new URL(`../../docs/model/${model}.pml`, import.meta.url));

async function folderOf(t: ExecutionContext): Promise<string> {
  const cwd = await mkdtemp(join(tmpdir(), 'baton-model-'));
  t.teardown(() => rm(cwd, { recursive: true, force: true }));
  return cwd;
}

/** What the run prints that spin finds wrong with a check left out: it needs clang. */
export async function counterexample(t: ExecutionContext, model: string, without: string): Promise<string> {
  const [found] = await search(t, model, [`-D${without}`], (text) => text, 1);
  return found!;
}

/**
 * What runs print that come to where `claim` does not hold, which stands behind `at` in the model: whole ones, of a kind that lots
 * seldom come to. They differ by the order in which the search takes steps. It needs clang.
 */
export function runsTo(
  t: ExecutionContext,
  model: string,
  { at, claim, count }: { at: string; claim: string; count: number },
): Promise<string[]> {
  return search(
    t,
    model,
    [],
    (text) => {
      t.true(text.includes(at), `${at} stands in the model`);
      return text.replace(at, `${at} assert(${claim});`);
    },
    count,
  );
}

async function search(
  t: ExecutionContext,
  model: string,
  define: readonly string[],
  change: (text: string) => string,
  count: number,
): Promise<string[]> {
  const cwd = await folderOf(t);
  const file = join(cwd, `${model}.pml`);
  await writeFile(file, change(await readFile(fileOf(model), 'utf8')));
  await execa('spin', [...define, '-a', file], { cwd });
  await execa('clang', ['-O0', '-w', '-DSAFETY', '-DT_RAND', '-DP_RAND', '-o', 'pan', 'pan.c'], { cwd });
  const found: string[] = [];
  for (let seed = 1; seed <= count; seed++) {
    const { stdout } = await execa(join(cwd, 'pan'), ['-m10000', `-RS${seed}`], { cwd, reject: false });
    t.regex(stdout, /errors: 1/);
    const args = [...define, '-T', '-k', `${file}.trail`, file];
    found.push((await execa('spin', args, { cwd, reject: false })).stdout);
  }
  return found;
}
