import { Command } from 'commander';
import { BatonError } from '../../shared/errors.ts';
import { type Mode, modes } from '../../shared/status.ts';
import { getStatus, setMode } from '../admin-client.ts';
import { type AnyHeadOptions, addAnyHeadOptions, withHead } from './running-head.ts';

export function modeCommand(): Command {
  const command = addAnyHeadOptions(
    new Command('mode')
      .summary("show or switch the running head's mode")
      .description(
        'Without MODE shows what the head does with connections; with it, what it does from now on.',
      )
      .argument('[MODE]', 'from the next connection on')
      .option('--json', 'answer as JSON'),
  ).action(async (mode: string | undefined, options: AnyHeadOptions & { json?: boolean }) => {
    if (mode !== undefined && !modes.includes(mode as Mode))
      throw new BatonError('UNKNOWN_MODE', { mode, known: modes.join(', ') });
    const { mode: now } = await withHead(options, async (admin) => {
      if (mode !== undefined) await setMode(admin, mode as Mode);
      return await getStatus(admin);
    });
    process.stdout.write(options.json ? `${JSON.stringify({ mode: now })}\n` : `${now}\n`);
  });
  command.registeredArguments[0]!.argChoices = [...modes];
  return command;
}
