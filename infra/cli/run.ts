/** Runs one command. Every error is one line and an exit code. */
import { CommanderError } from 'commander';
import { BatonError } from '../../shared/errors.ts';
import { partsOnRequest } from '../../shared/version.ts';
import { program } from './commands.ts';

/** `arguments_`: what follows `baton`. */
export async function run(arguments_: readonly string[]): Promise<void> {
  const [first = '', second = ''] = arguments_;
  const isService =
    ['head', 'keeper', 'delivery'].includes(first) && !arguments_.some((one) => /^(-h|--help)$/.test(one));
  if (!isService) endWithReader();
  try {
    const root = await program(first === 'help' ? second : first);
    for (const command of [root, ...root.commands, ...root.commands.flatMap((one) => one.commands)]) {
      // Errors come here instead of ending the process, and are told once, below.
      command.exitOverride().configureOutput({ outputError: () => {} });
    }
    await root.parseAsync(arguments_, { from: 'user' });
  } catch (error) {
    process.exitCode = tell(error);
  }
}

/** `baton ... | head` has read what it wanted: no error. A service goes on without a reader. */
function endWithReader(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit();
    throw error;
  });
}

/** Tells a person; the exit code. */
function tell(error: unknown): number {
  if (error instanceof CommanderError) {
    // Help and version were asked for, and have been shown.
    if (error.exitCode === 0) return 0;
    if (error.code === 'commander.help') return 2;
    const message = error.message
      .replace(/^error: /, '')
      .split('\n')
      .join(' ');
    process.stderr.write(`baton: ${message}; see baton --help\n`);
    return 2;
  }
  const known = error instanceof BatonError ? error : missingPart(error);
  if (known) {
    process.stderr.write(`baton: ${known.message}\n`);
    return known.exitCode;
  }
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`baton: ${message.split('\n')[0]} (unexpected; BATON_DEBUG=1 shows where)\n`);
  if (process.env.BATON_DEBUG) process.stderr.write(`${error instanceof Error ? error.stack : ''}\n`);
  return 1;
}

/** A production server has no use for the lab, so that its parts come on request. */
function missingPart(error: unknown): BatonError | undefined {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  if (code !== 'ERR_MODULE_NOT_FOUND') return undefined;
  const part = /package '([^']+)'/.exec(String(message))?.[1] ?? '';
  if (!Object.hasOwn(partsOnRequest, part)) return undefined;
  const parts = Object.entries(partsOnRequest).map(([name, range]) => `${name}@${range}`);
  return new BatonError('MISSING_PART', { part, fix: `npm install ${parts.join(' ')}` });
}
