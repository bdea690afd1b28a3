/** Command-line options made from a schema of settings, so that help, defaults and checks have one source. */
import type { Command } from 'commander';
import { z } from 'zod';
import { flagOf } from '../../shared/config.ts';

interface Described {
  readonly default?: unknown;
  readonly shown?: string | number;
  readonly description?: string;
}

/** Adds `--setting VALUE` for each setting of the schema. Values stay text: the schema reads them. */
export function addSettings(command: Command, schema: z.ZodObject): Command {
  const described = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }).properties as Record<
    string,
    Described
  >;
  for (const [key, { default: fallback, shown, description }] of Object.entries(described)) {
    const text = shown ?? fallback;
    const help = text === undefined ? description : `${description} (default: ${text})`;
    command.option(`${flagOf(key)} <${placeholder(key)}>`, help ?? '');
  }
  return command;
}

const placeholders: Record<string, string> = {
  listen: 'HOST:PORT',
  direct: 'HOST:PORT',
  advertise: 'HOST:PORT',
  head: 'PATH',
  socket: 'PATH',
  group: 'GROUP',
  adminSocket: 'PATH',
  app: 'FILE',
  mode: 'MODE',
  policy: 'POLICY',
  name: 'NAME',
};

function placeholder(key: string): string {
  if (placeholders[key]) return placeholders[key];
  if (/Timeout|Idle|Total|Within|After$/.test(key)) return 'DURATION';
  return /Bytes/.test(key) ? 'SIZE' : 'N';
}
