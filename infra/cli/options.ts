/** Command-line options made from a schema of settings, so that help, defaults and checks have one source. */
import { type Command, Option } from 'commander';
import { flagOf } from '../../shared/config.ts';
import type { JsonSchema } from '../../shared/schema.ts';

interface Described {
  readonly default?: unknown;
  readonly shown?: string | number;
  /** What stands for the value in help. */
  readonly placeholder: string;
  readonly enum?: readonly string[];
  readonly description?: string;
  /** The option may be given again. */
  readonly repeatable?: boolean;
}

/** Adds `--setting VALUE` for each setting of the schema. Values stay text: the schema reads them. */
export function addSettings(command: Command, schema: { readonly json: JsonSchema }): Command {
  const described = schema.json.properties as Record<string, Described>;
  for (const [key, setting] of Object.entries(described)) {
    const { default: fallback, shown, placeholder, description, enum: choices, repeatable } = setting;
    const text = shown ?? fallback;
    const help = text === undefined ? description : `${description} (default: ${text})`;
    const option = new Option(`${flagOf(key)} <${placeholder}>`, help ?? '');
    // Not `choices()`, which would check them: the schema says better what is wrong.
    if (choices) option.argChoices = [...choices];
    if (repeatable) option.argParser((one: string, before?: string[]) => [...(before ?? []), one]);
    command.addOption(option);
  }
  return command;
}
