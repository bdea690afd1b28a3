#!/usr/bin/env node
/** The command line. Every command is a file here and a line below; every error is one line and an exit code. */
import { Command, CommanderError } from 'commander';
import { BatonError } from '../../shared/errors.ts';
import { version } from '../../shared/version.ts';

/** Loaded when they are called for: a head has no use for what draws a report. */
const loaders: Record<string, () => Promise<Command>> = {
  head: async () => (await import('./head.ts')).headCommand(),
  delivery: async () => (await import('./delivery.ts')).deliveryCommand(),
  mode: async () => (await import('./mode.ts')).modeCommand(),
  status: async () => (await import('./status.ts')).statusCommand(),
  drain: async () => (await import('./drain.ts')).drainCommand(),
  undrain: async () => (await import('./drain.ts')).undrainCommand(),
  steering: async () => (await import('./steering.ts')).steeringCommand(),
  visit: async () => (await import('./visit.ts')).visitCommand(),
  compare: async () => (await import('./compare.ts')).compareCommand(),
  lab: async () => (await import('./lab.ts')).labCommand(),
  doctor: async () => (await import('./doctor.ts')).doctorCommand(),
};

const wanted = process.argv[2] ?? '';
const names = Object.hasOwn(loaders, wanted) ? [wanted] : Object.keys(loaders);
const commands = await Promise.all(names.map((name) => loaders[name]!()));

const program = new Command('baton')
  .description('Hands a live TCP connection to another server, or tells the client where to go.')
  .version(version);
for (const command of commands) program.addCommand(command);
for (const command of [program, ...commands.flatMap((one) => [one, ...one.commands])]) {
  // Errors come here instead of ending the process, and are told once, below.
  command.exitOverride().configureOutput({ outputError: () => {} });
}

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = tell(error);
}

/** Tells a person; the exit code. */
function tell(error: unknown): number {
  if (error instanceof CommanderError) {
    // Help and version were asked for, and have been shown.
    if (error.exitCode === 0) return 0;
    if (error.code === 'commander.help') return 2;
    process.stderr.write(
      `baton: ${error.message
        .replace(/^error: /, '')
        .split('\n')
        .join(' ')}; see baton --help\n`,
    );
    return 2;
  }
  if (error instanceof BatonError) {
    process.stderr.write(`baton: ${error.message}\n`);
    return error.exitCode;
  }
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`baton: ${message.split('\n')[0]} (unexpected; BATON_DEBUG=1 shows where)\n`);
  if (process.env.BATON_DEBUG) process.stderr.write(`${error instanceof Error ? error.stack : ''}\n`);
  return 1;
}
