import { Command } from 'commander';
import { BatonError } from '../../shared/errors.ts';
import { type Mode, modes } from '../../shared/status.ts';
import { getStatus, setMode } from '../admin-client.ts';
import { type AnyHeadOptions, addAnyHeadOptions, askHeads, withHeads } from './running-head.ts';

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
    const modeOf = await withHeads(options, (heads) =>
      askHeads(heads, async (admin) => {
        if (mode !== undefined) await setMode(admin, mode as Mode);
        return (await getStatus(admin)).mode;
      }),
    );
    process.stdout.write(`${options.json ? asJson(modeOf) : asText(modeOf)}\n`);
  });
  command.registeredArguments[0]!.argChoices = [...modes];
  return command;
}

/** The one that all of them have, or undefined. */
const common = (modeOf: ReadonlyMap<string, Mode>): Mode | undefined => {
  const [first, ...others] = new Set(modeOf.values());
  return others.length === 0 ? first : undefined;
};

const asText = (modeOf: ReadonlyMap<string, Mode>): string =>
  common(modeOf) ?? [...modeOf].map(([head, mode]) => `${head}: ${mode}`).join('\n');

const asJson = (modeOf: ReadonlyMap<string, Mode>): string => {
  const mode = common(modeOf);
  return JSON.stringify(mode === undefined ? { heads: Object.fromEntries(modeOf) } : { mode });
};
