import { Command } from 'commander';
import { upgradeHead } from '../admin-client.ts';
import { addHeadOptions, adminPath, type HeadOptions } from './running-head.ts';

export const upgradeCommand = (): Command =>
  addHeadOptions(
    new Command('upgrade')
      .summary('replace the running head by a new process, without losing a connection')
      .description(
        'Has the running head start itself anew, from the files that are there now and with the same options, and hand over ' +
          'everything to it. Where that fails the head goes on.',
      ),
  ).action(async (options: HeadOptions) => {
    const { predecessor, pid } = await upgradeHead(adminPath(options));
    process.stdout.write(`process ${pid} has taken over from process ${predecessor}\n`);
  });
