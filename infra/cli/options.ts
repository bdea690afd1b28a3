/** Command-line options made from a schema of settings, so that help, defaults and checks have one source. */
import { type Command, Option } from 'commander';
import { flagOf } from '../../shared/config.ts';
import type { JsonSchema } from '../../shared/schema.ts';

interface Described {
  readonly default?: unknown;
  readonly shown?: string | number;
  readonly enum?: readonly string[];
  readonly description?: string;
}

/** Adds `--setting VALUE` for each setting of the schema. Values stay text: the schema reads them. */
export function addSettings(command: Command, schema: { readonly json: JsonSchema }): Command {
  const described = schema.json.properties as Record<string, Described>;
  for (const [key, { default: fallback, shown, description, enum: choices }] of Object.entries(described)) {
    const text = shown ?? fallback;
    const help = text === undefined ? description : `${description} (default: ${text})`;
    const option = new Option(`${flagOf(key)} <${placeholder(key)}>`, help ?? '');
    // Not `choices()`, which would check them: the schema says better what is wrong.
    if (choices) option.argChoices = [...choices];
    command.addOption(option);
  }
  return command;
}

const placeholders: Record<string, string> = {
  listen: 'HOST:PORT',
  direct: 'HOST:PORT',
  advertise: 'HOST:PORT',
  control: 'HOST:PORT',
  metrics: 'HOST:PORT',
  head: 'PATH',
  socket: 'PATH',
  group: 'GROUP',
  adminSocket: 'PATH',
  app: 'FILE',
  secret: 'FILE',
  vip: 'ADDRESS',
  interface: 'NAME',
  ioUring: 'WHEN',
  mode: 'MODE',
  policy: 'POLICY',
  name: 'NAME',
  halfOpen: 'on|off',
};

function placeholder(key: string): string {
  if (placeholders[key]) return placeholders[key];
  if (/Timeout|Idle|Total|Within|After$/.test(key)) return 'DURATION';
  return /Bytes/.test(key) ? 'SIZE' : 'N';
}
