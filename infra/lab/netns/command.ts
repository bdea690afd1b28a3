/** Commands that build the lab: `ip` and `tc` with many lines at once, which saves a process a line. */
import { BatonError } from '../../../shared/errors.ts';
import { runTool } from '../../processes/tool.ts';

/** Runs it to its end; its output. Throws LAB_FAILED with what it said, and MISSING_TOOL. */
export async function run(command: readonly [string, ...string[]], input = ''): Promise<string> {
  const { failed, stdout, stderr } = await runTool(command, 'iproute2', { input });
  if (failed) {
    throw new BatonError('LAB_FAILED', {
      problem: `the lab's network could not be set up: ${command.join(' ')}: ${stderr.trim()}`,
    });
  }
  return stdout;
}

/** Lines of `ip`, in a namespace or outside of all. */
export const ip = (lines: readonly string[], namespace?: string): Promise<string> =>
  run(
    ['ip', ...(namespace === undefined ? [] : ['-netns', namespace]), '-batch', '-'],
    `${lines.join('\n')}\n`,
  );

/** `name=value` pairs as sysctl(8) has them, whose program is not on every machine. */
export const sysctl = (
  namespace: string,
  settings: Readonly<Record<string, number | string>>,
): Promise<string> => {
  const lines = Object.entries(settings).map(
    ([name, value]) => `echo ${value} > /proc/sys/${name.replaceAll('.', '/')}`,
  );
  return run(['ip', 'netns', 'exec', namespace, 'sh', '-e'], lines.join('\n'));
};
