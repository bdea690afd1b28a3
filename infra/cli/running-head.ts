/** Options that name a running head, for the commands that ask or steer it. */
import { type Command, Option } from 'commander';
import { adminPathFor, defaultSocketPath } from '../../shared/paths.ts';

export interface HeadOptions {
  readonly on?: 'vagrant';
  readonly socket?: string;
  readonly adminSocket?: string;
}

export function addHeadOptions(command: Command): Command {
  return command
    .option('--socket <PATH>', `the head's --socket (default: ${defaultSocketPath()})`)
    .option('--admin-socket <PATH>', "the head's --admin-socket (default: beside --socket)")
    .addOption(new Option('--on <LAB>', 'the head of this lab instead').choices(['vagrant']));
}

/** Lets `use` talk to the head's admin interface. */
export async function withHead<T>(options: HeadOptions, use: (admin: string) => Promise<T>): Promise<T> {
  if (options.on === undefined)
    return await use(options.adminSocket ?? adminPathFor(options.socket ?? defaultSocketPath()));
  const { withVagrantHead } = await import('../lab/vagrant/hosts.ts');
  return await withVagrantHead(use);
}
