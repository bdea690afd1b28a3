/** Tools of the system that a lab and the bench use, run to their end. */
import { type CommandOptions, type Finished, runCommand } from '../../shared/command.ts';
import { BatonError } from '../../shared/errors.ts';

/** `debian`: the package that has it. */
export const missingTool = (tool: string, debian: string): BatonError =>
  new BatonError('MISSING_TOOL', { tool, fix: `sudo apt-get install ${debian}` });

/** Throws MISSING_TOOL; how else it failed is for its caller to understand. */
export async function runTool(
  [tool, ...args]: readonly [string, ...string[]],
  debian: string,
  options: CommandOptions = {},
): Promise<Finished> {
  const finished = await runCommand(tool, args, options);
  if (finished.missing) throw missingTool(tool, debian);
  return finished;
}
