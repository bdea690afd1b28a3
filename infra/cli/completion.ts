import { Command } from 'commander';
import { BatonError } from '../../shared/errors.ts';
import { version } from '../../shared/version.ts';
import { type Described, type DescribedOption, describe, type Value } from './describe.ts';

const shells = { bash, zsh, fish } as const;
type Shell = keyof typeof shells;

const help = `
bash:  baton completion bash > ~/.local/share/bash-completion/completions/baton
zsh:   baton completion zsh > ~/.zfunc/_baton      (a folder of your fpath)
fish:  baton completion fish > ~/.config/fish/completions/baton.fish
`;

/** `baton completion SHELL` */
/** `program`: what is completed. */
export function completionCommand(program: () => Promise<Command>): Command {
  const command = new Command('completion')
    .summary('print what makes a shell complete these commands')
    .description('Prints what makes a shell complete these commands.')
    .argument('<SHELL>', 'the one that you use')
    .addHelpText('after', help)
    .action(async (shell: string) => {
      if (!Object.hasOwn(shells, shell)) {
        const problem = `there is no completion for ${JSON.stringify(shell)}; there is one for ${Object.keys(shells).join(', ')}`;
        throw new BatonError('USAGE', { problem });
      }
      process.stdout.write(completionFor(shell as Shell, await program()));
    });
  command.registeredArguments[0]!.argChoices = Object.keys(shells);
  return command;
}

export function completionFor(shell: Shell, program: Command): string {
  return shells[shell](program.commands.map(describe).map(withItsOwn));
}

/** Commands of a command are words that may follow it, and their options may be given to it. */
function withItsOwn({ commands, arguments: given, options, ...rest }: Described): Described {
  const own = commands.filter(({ name }) => name !== 'help');
  if (own.length === 0) return { ...rest, commands, arguments: given, options };
  const [first, ...more] = given;
  const value = [...words(first?.value ?? 'none'), ...own.map(({ name }) => name)];
  return {
    ...rest,
    commands,
    arguments: [{ ...(first ?? { term: '', text: '' }), value }, ...more],
    options: [
      ...options,
      ...own.flatMap((command) => command.options.filter(({ names }) => !names.includes('--help'))),
    ],
  };
}

const words = (value: Value): readonly string[] => (typeof value === 'string' ? [] : value);
const argumentOf = ({ arguments: [first] }: Described): Value => first?.value ?? 'none';
const valued = ({ options }: Described): readonly DescribedOption[] =>
  options.filter(({ value }) => value !== 'none');

function bash(commands: readonly Described[]): string {
  const cases = commands.flatMap((command) => [
    `    ${command.name})`,
    `      options='${command.options.flatMap(({ names }) => names).join(' ')}'`,
    ...(argumentOf(command) === 'file' ? ['      files=yes'] : []),
    `      words='${words(argumentOf(command)).join(' ')}'`,
    '      case $before in',
    ...valued(command).map(
      ({ names, value }) =>
        `        ${names.join('|')}) options= words='${words(value).join(' ')}' files=${value === 'file' ? 'yes' : ''} ;;`,
    ),
    '      esac',
    '      ;;',
  ]);
  return `# bash completion for baton ${version}, made by: baton completion bash
_baton() {
  local current=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} options= words= files=
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '${[...commands.map(({ name }) => name), '--help', '--version'].join(' ')}' -- "$current"))
    return
  fi
  case \${COMP_WORDS[1]} in
${cases.join('\n')}
  esac
  case $current in
    -*) COMPREPLY=($(compgen -W "$options" -- "$current")) ;;
    *)
      COMPREPLY=($(compgen -W "$words" -- "$current"))
      if [ -n "$files" ]; then COMPREPLY+=($(compgen -f -- "$current")); fi
      ;;
  esac
}
complete -o filenames -F _baton baton
`;
}

/** Within single quotes, in brackets or before a colon of a description for zsh. */
const zshText = (text: string): string => text.replaceAll("'", "'\\''").replaceAll(/[[\]:]/g, '\\$&');

function zsh(commands: readonly Described[]): string {
  const action = (value: Value): string =>
    value === 'file' ? '_files' : value === 'any' ? ' ' : `(${words(value).join(' ')})`;
  const cases = commands.flatMap((command) => [
    `    ${command.name})`,
    '      _arguments \\',
    ...command.options.map(({ names, text, value }) => {
      const name = names.at(-1)!;
      const after = value === 'none' ? '' : `:${zshText(name.slice(2))}:${action(value)}`;
      return `        '${name}[${zshText(text)}]${after}' \\`;
    }),
    `        '*:${zshText(command.arguments[0]?.term ?? '')}:${argumentOf(command) === 'none' ? ' ' : action(argumentOf(command))}'`,
    '      ;;',
  ]);
  return `#compdef baton
# zsh completion for baton ${version}, made by: baton completion zsh
_baton() {
  if (( CURRENT == 2 )); then
    local -a commands=(
${commands.map(({ name, summary }) => `      '${name}:${zshText(summary)}'`).join('\n')}
    )
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
${cases.join('\n')}
  esac
}
if [ "$funcstack[1]" = _baton ]; then _baton "$@"; else compdef _baton baton; fi
`;
}

const fishText = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

function fish(commands: readonly Described[]): string {
  const lines = commands.flatMap((command) => {
    const given = `complete -c baton -n '__fish_seen_subcommand_from ${command.name}'`;
    return [
      `complete -c baton -n __fish_use_subcommand -a ${command.name} -d ${fishText(command.summary)}`,
      ...command.options.map(({ names, text, value }) => {
        const after = value === 'none' ? '' : value === 'file' ? ' -r -F' : ' -x';
        const choices = words(value).length > 0 ? ` -a ${fishText(words(value).join(' '))}` : '';
        const short = names.length > 1 ? ` -s ${names[0]!.slice(1)}` : '';
        return `${given}${short} -l ${names.at(-1)!.slice(2)}${after}${choices} -d ${fishText(text)}`;
      }),
      ...(argumentOf(command) === 'file' ? [`${given} -F`] : []),
      ...(words(argumentOf(command)).length > 0
        ? [`${given} -a ${fishText(words(argumentOf(command)).join(' '))}`]
        : []),
    ];
  });
  return `# fish completion for baton ${version}, made by: baton completion fish
complete -c baton -f
${lines.join('\n')}
`;
}
