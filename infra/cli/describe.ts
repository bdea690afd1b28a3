/** The command line as data: what completions and the manual are made from, so that they cannot say anything else. */
import type { Command, Option } from 'commander';

export interface DescribedOption {
  /** As help shows it: `--listen <HOST:PORT>`. */
  readonly flags: string;
  /** `--listen`, and a short one where there is one. */
  readonly names: readonly string[];
  readonly text: string;
  /** What follows it. */
  readonly value: Value;
}

/** `none`: nothing follows; `any`: something that cannot be guessed. */
export type Value = 'none' | 'any' | 'file' | readonly string[];

export interface Described {
  readonly name: string;
  readonly summary: string;
  readonly description: string;
  /** `[MODE]`, `<URL...>` */
  readonly arguments: readonly { readonly term: string; readonly text: string; readonly value: Value }[];
  readonly options: readonly DescribedOption[];
  /** `baton lab up`, ... */
  readonly commands: readonly Described[];
}

export function describe(command: Command): Described {
  const help = command.createHelp();
  return {
    name: command.name(),
    summary: command.summary() || command.description(),
    description: command.description(),
    arguments: command.registeredArguments.map((argument) => ({
      term: `${argument.required ? '<' : '['}${argument.name()}${argument.variadic ? '...' : ''}${argument.required ? '>' : ']'}`,
      text: argument.description,
      value: argument.argChoices ?? (/file|report/i.test(argument.name()) ? 'file' : 'any'),
    })),
    options: help.visibleOptions(command).map((option) => ({
      flags: option.flags,
      names: [option.short, option.long].filter((name) => name !== undefined),
      text: help.optionDescription(option),
      value: valueAfter(option),
    })),
    commands: command.commands.map(describe),
  };
}

function valueAfter(option: Option): Value {
  if (!option.required && !option.optional) return 'none';
  if (option.argChoices) return option.argChoices;
  return /<(FILE|PATH|FOLDER)\b/.test(option.flags) ? 'file' : 'any';
}
