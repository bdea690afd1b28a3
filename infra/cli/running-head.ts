/** Options that name a running head, for the commands that ask or steer it. */
import { type Command, Option } from 'commander';
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

export interface AnyHeadOptions extends HeadOptions {
  readonly on?: 'vagrant';
}

/** For what can also be asked of a head on another machine. */
export const addAnyHeadOptions = (command: Command): Command =>
  addHeadOptions(command).addOption(
    new Option('--on <LAB>', 'the head of this lab instead').choices(['vagrant']),
  );

/** Lets `use` talk to the admin interface of the head that is meant. */
export async function withHead<T>(options: AnyHeadOptions, use: (admin: string) => Promise<T>): Promise<T> {
  if (options.on === undefined) return await use(adminPath(options));
  const { withVagrantHead } = await import('../lab/vagrant/hosts.ts');
  return await withVagrantHead(use);
}
