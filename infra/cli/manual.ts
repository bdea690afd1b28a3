/** The manual page, in roff (man(7)), made from the commands themselves. */
import { defaultSocketPath } from '../../shared/paths.ts';
import { version } from '../../shared/version.ts';
import { program } from './commands.ts';
import { type Described, describe } from './describe.ts';

/** What a page of the package says must not depend on who made it. */
const general = (text: string): string =>
  text.replaceAll(defaultSocketPath(), '/run/baton/head.sock for root');

/** A line of text: no backslash, no dash that is broken, nothing at its start that is a request. */
function plain(text: string): string {
  const line = general(text).replaceAll('\\', '\\e').replaceAll('-', '\\-').replaceAll('\n', ' ');
  return /^[.']/.test(line) ? `\\&${line}` : line;
}
const bold = (text: string): string => `\\fB${plain(text)}\\fR`;
const item = (term: string, text: string): string[] => ['.TP', bold(term), plain(text)];

export async function manualPage(): Promise<string> {
  const root = await program('all');
  const commands = root.commands.map(describe).flatMap(withCommands);
  return `${[
    `.TH BATON 1 "" "baton ${plain(version)}" "User Commands"`,
    '.SH NAME',
    'baton \\- hand a live TCP connection to another server',
    '.SH SYNOPSIS',
    ...commands.flatMap(({ name, arguments: given }) => [
      '.br',
      `${bold(`baton ${name}`)} ${plain(['[options]', ...given.map(({ term }) => term)].join(' '))}`,
    ]),
    '.SH DESCRIPTION',
    plain(
      'A head accepts every connection of a website and looks at its first bytes; one of several deliveries receives the connection itself and answers.',
    ),
    plain(
      'Next to that the head can answer 307 or 201, so that the three ways can be switched live and compared.',
    ),
    '.SH COMMANDS',
    ...commands.flatMap(commandPart),
    '.SH EXIT STATUS',
    ...item('0', 'fine'),
    ...item('1', 'failed; the one line on the standard error says what to do'),
    ...item('2', 'wrong usage'),
    ...item('3', 'a threshold of --fail-if was crossed'),
    '.SH FILES',
    ...item(
      '/run/baton/head.sock',
      "the deliveries' socket of root's head; a user's is in $XDG_RUNTIME_DIR/baton",
    ),
    ...item('/run/baton/head.admin.sock', 'its admin interface: HTTP'),
    '.SH ENVIRONMENT',
    ...item('BATON_LOG', 'the least level that is logged: debug, info, warn, error'),
    '.SH SEE ALSO',
    plain('listen(2), unix(7), tcp(7); README.md and docs/ in the package'),
  ].join('\n')}\n`;
}

/** A command and its own, which bear its name before theirs. */
const withCommands = (command: Described): Described[] => [
  command,
  ...command.commands.map((own) => ({ ...own, name: `${command.name} ${own.name}` })),
];

function commandPart({ name, description, arguments: given, options }: Described): string[] {
  return [
    `.SS baton ${plain(name)}`,
    plain(description),
    ...given.flatMap(({ term, text }) => item(term, text)),
    ...options.flatMap(({ flags, text }) => item(flags, text)),
  ];
}
