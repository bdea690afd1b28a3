/** `ip` and `tc` of iproute2, with the JSON that they answer. */
import { runCommand } from '../../shared/command.ts';
import { BatonError } from '../../shared/errors.ts';

type Tool = 'ip' | 'tc';

interface Outcome {
  readonly failed: boolean;
  readonly stdout: string;
  /** The last line of what it complained about. */
  readonly problem: string;
}

/** Runs it; MISSING_TOOL when it is not there. A failure is the caller's to understand. */
export async function tryTool(tool: Tool, args: readonly string[]): Promise<Outcome> {
  const { failed, missing, stdout, stderr } = await runCommand(tool, args);
  if (missing) throw new BatonError('MISSING_TOOL', { tool, fix: 'sudo apt-get install iproute2' });
  // Its last line says "We have an error talking to the kernel" when the one before says why.
  const problem =
    stderr
      .trim()
      .split('\n')
      .find((line) => line !== '') ?? 'no reason given';
  return { failed, stdout, problem };
}

/** What `ip -json` or `tc -json` lists; empty when it fails. */
export async function listJson<T>(tool: Tool, ...args: readonly string[]): Promise<T[]> {
  const { failed, stdout } = await tryTool(tool, ['-json', ...args]);
  return failed || stdout.trim() === '' ? [] : (JSON.parse(stdout) as T[]);
}

export interface Interface {
  readonly name: string;
  readonly ifindex: number;
  readonly mac: string;
}

export async function findInterface(name: string): Promise<Interface> {
  type Link = { ifname: string; ifindex: number; address?: string };
  const [link] = await listJson<Link>('ip', 'link', 'show', 'dev', name);
  if (!link) throw new BatonError('NO_INTERFACE', { interface: name });
  return { name: link.ifname, ifindex: link.ifindex, mac: link.address ?? '' };
}
