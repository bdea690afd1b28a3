/** Options that name a running head, for the commands that ask or steer it. */
import type { Command } from 'commander';
import { adminPathFor, defaultSocketPath, trustedSocketPath } from '../../shared/paths.ts';
import type { LabKind } from '../lab/kinds/kind.ts';
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

/** For what can also be asked of a head on another machine. */
export const addAnyHeadOptions = (command: Command): Command =>
  addHeadOptions(command).addOption(
    onLab('the head of this lab instead', (kind) => kind.withHead !== undefined),
  );

/** Lets `use` talk to the admin interface of the head that is meant. */
export async function withHead<T>(options: AnyHeadOptions, use: (admin: string) => Promise<T>): Promise<T> {
  if (options.on === undefined) return await use(adminPath(options));
  return await options.on.withHead!(use);
}
