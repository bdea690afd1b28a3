/** `baton visit --find`: searches a rate instead of visiting at one. */
import { BatonError } from '../../shared/errors.ts';
import { findCapacity } from '../visits/find/find.ts';
import { parseGoal } from '../visits/find/goal.ts';
import { describeFound, summariseCapacity } from '../visits/find/report.ts';
import type { Generators } from '../visits/generators.ts';
import type { VisitOptions } from '../visits/options.ts';
import { save } from './save.ts';

export interface FindFlags {
  readonly find: readonly string[];
  readonly findWithin: number;
  readonly json?: string;
}

export async function find(
  { find: texts, findWithin, json }: FindFlags,
  visits: VisitOptions,
  generators: Generators,
  signal: AbortSignal,
): Promise<void> {
  const goal = parseGoal('--find', texts);
  const began = performance.now();
  const tty = process.stderr.isTTY && json !== '-';
  const found = await findCapacity({
    goal,
    withinMs: findWithin,
    visits,
    generators,
    signal,
    onProgress: tty
      ? (rate, { done, failed }) =>
          process.stderr.write(`\r\x1b[K${rate.toFixed(1)}/s: ${done} visits, ${failed} failed`)
      : undefined,
  });
  if (tty) process.stderr.write('\r\x1b[K');
  const capacity = describeFound(found, goal, performance.now() - began, signal.aborted);
  const text = `${JSON.stringify(capacity)}\n`;
  if (json === '-') process.stdout.write(text);
  else {
    if (json !== undefined) await save('--json', json, text);
    process.stdout.write(`${summariseCapacity(capacity)}\n`);
  }
  if (capacity.outcome === 'never' || capacity.outcome === 'nothing')
    throw new BatonError('LIMIT_EXCEEDED', { problem: capacity.answer });
}
