import { Command } from 'commander';
import { reload } from '../admin-client.ts';
import { addHeadOptions, adminPath, type HeadOptions } from './running-head.ts';

export function reloadCommand(): Command {
  return addHeadOptions(
    new Command('reload')
      .summary('have the running head read its configuration again')
      .description(
        'Has the running head read its --config and its certificates again, as SIGHUP does. Exit code 1 and one line when something of it is wrong, and nothing has changed, or when a part of it takes a restart.',
      )
      .option('--json', 'answer as JSON'),
  ).action(async (options: HeadOptions & { json?: boolean }) => {
    const answer = await reload(adminPath(options));
    const { changed, restart } = answer;
    const text =
      changed.length === 0 ? 'read; no setting has changed' : `in force now: ${changed.join(', ')}`;
    process.stdout.write(options.json ? `${JSON.stringify(answer)}\n` : `${text}\n`);
    if (restart.length === 0) return;
    process.stderr.write(`baton: a restart of the head is needed for ${restart.join(', ')}\n`);
    process.exitCode = 1;
  });
}
