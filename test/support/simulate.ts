/** One run of a model of docs/model/, by spin; its choices are made by the seed. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { execa } from 'execa';

/** What it prints; with a check left out where `without` names one. */
export async function simulate(
  t: ExecutionContext,
  model: string,
  seed: number,
  without?: string,
): Promise<string> {
  const cwd = await mkdtemp(join(tmpdir(), 'baton-model-'));
  t.teardown(() => rm(cwd, { recursive: true, force: true }));
  const file = fileURLToPath(new URL(`../../docs/model/${model}.pml`, import.meta.url));
  const define = without === undefined ? [] : [`-D${without}`];
  const args = [...define, `-n${seed}`, '-T', '-u5000', file];
  return (await execa('spin', args, { cwd, reject: false })).stdout;
}
