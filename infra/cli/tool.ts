/** Runs one of the project's own tools (`npm run NAME -- ...`). Every error that is known is one line and an exit status. */
import { type Command, CommanderError } from 'commander';
import { BatonError } from '../../shared/errors.ts';

/** By what it was called with. Exits 2 for wrong usage, which Commander has told, and 1 for what went wrong. */
export async function runTool(command: Command): Promise<void> {
  try {
    await command.exitOverride().parseAsync();
  } catch (error) {
    if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
    else if (error instanceof BatonError) {
      console.error(`${command.name()}: ${error.message}`);
      process.exitCode = 1;
    } else throw error;
  }
}
