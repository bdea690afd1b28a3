/** Options that name a running head, for the commands that ask or steer it. */
import type { Command } from 'commander';
import { BatonError } from '../../shared/errors.ts';
import { adminPathFor, defaultSocketPath, trustedSocketPath } from '../../shared/paths.ts';
import type { LabKind, NamedHead } from '../lab/kinds/kind.ts';
import { onLab } from './arguments.ts';

export interface HeadOptions {
  readonly socket?: string;
  readonly adminSocket?: string;
}

export function addHeadOptions(command: Command): Command {
  return command
    .option('--socket <PATH>', `the head's --socket (default: ${defaultSocketPath()})`)
    .option('--admin-socket <PATH>', "the head's --admin-socket (default: beside --socket)");
}

export const adminPath = (options: HeadOptions): string =>
  options.adminSocket ?? adminPathFor(options.socket ?? trustedSocketPath());

export interface AnyHeadOptions extends HeadOptions {
  readonly on?: LabKind;
}

/** For what can also be asked of heads on other machines. */
export const addAnyHeadOptions = (command: Command): Command =>
  addHeadOptions(command).addOption(
    onLab('the head of this lab instead, or both of its heads', (kind) => kind.withHeads !== undefined),
  );

/** Lets `use` talk to the admin interfaces of the heads that are meant: one, or a lab's two. */
export async function withHeads<T>(
  options: AnyHeadOptions,
  use: (heads: readonly NamedHead[]) => Promise<T>,
): Promise<T> {
  if (options.on === undefined) return await use([{ name: 'head', admin: adminPath(options) }]);
  return await options.on.withHeads!(use);
}

/**
 * What each of them answers, by its name. Of two one may be gone, which is said to a person; throws when none answers, and
 * what one of them refuses.
 */
export async function askHeads<T>(
  heads: readonly NamedHead[],
  ask: (admin: string) => Promise<T>,
  say: (line: string) => void = (line) => process.stderr.write(`baton: ${line}\n`),
): Promise<ReadonlyMap<string, T>> {
  const outcomes = await Promise.allSettled(heads.map(({ admin }) => ask(admin)));
  const problems = outcomes.map((outcome) => (outcome.status === 'rejected' ? outcome.reason : undefined));
  const worst = problems.find((problem) => problem !== undefined && !isGone(problem));
  if (worst !== undefined) throw worst;
  if (problems.every((problem) => problem !== undefined)) throw problems[0];
  const answers = new Map<string, T>();
  for (const [index, outcome] of outcomes.entries()) {
    const { name } = heads[index]!;
    if (outcome.status === 'fulfilled') answers.set(name, outcome.value);
    else say(`${name} does not answer: ${outcome.reason.message}`);
  }
  return answers;
}

/** It is not there, or what leads to it ends: no word of its own. */
const isGone = (problem: unknown): boolean =>
  problem instanceof BatonError && (problem.code === 'NOT_RUNNING' || problem.code === 'SOCKET_UNUSABLE');
