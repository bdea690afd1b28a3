/** Options that name a running head, for the commands that ask or steer it. */
import type { Command } from 'commander';
import { adminPathFor, defaultSocketPath } from '../../shared/paths.ts';

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
  options.adminSocket ?? adminPathFor(options.socket ?? defaultSocketPath());
