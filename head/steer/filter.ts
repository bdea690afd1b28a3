/** The tc filter that runs the steering program on an interface's ingress, and the clsact qdisc that carries it. */
import { BatonError } from '../../shared/errors.ts';
import { listJson, tryTool } from './iproute.ts';

/** Its priority among the interface's filters: ours is found by it. */
export const PREF = 0xba70;

/**
 * The filter's handle remembers, across a crash of the head, who made the qdisc: without filters of others, detaching
 * removes it again only if it was ours.
 */
const OWN_QDISC = 1;
const OTHERS_QDISC = 2;

export interface Filter {
  readonly handle: number;
  readonly programId: number;
  /** Undefined when tc may not look at programs, which takes CAP_SYS_ADMIN. */
  readonly programName: string | undefined;
}

interface ListedFilter {
  readonly pref: number;
  readonly options?: {
    readonly handle?: string;
    readonly prog?: { readonly id: number; readonly name?: string };
  };
}

export async function findFilter(interfaceName: string): Promise<Filter | undefined> {
  const listed = await listJson<ListedFilter>('tc', 'filter', 'show', 'dev', interfaceName, 'ingress');
  // tc lists each priority once without options, before what it holds.
  const ours = listed.find(({ pref, options }) => pref === PREF && options !== undefined);
  if (!ours) return undefined;
  return {
    handle: Number(ours.options?.handle ?? 0),
    programId: ours.options?.prog?.id ?? 0,
    programName: ours.options?.prog ? ours.options.prog.name : 'not a BPF program',
  };
}

/** Attaches the pinned program; `replacing` is the filter whose program it takes over from, without a gap. */
export async function attachFilter(
  interfaceName: string,
  program: string,
  replacing?: Filter,
): Promise<void> {
  const handle = replacing?.handle ?? ((await addQdisc(interfaceName)) ? OWN_QDISC : OTHERS_QDISC);
  try {
    const place = ['dev', interfaceName, 'ingress', 'pref', String(PREF), 'handle', String(handle)];
    const what = ['bpf', 'direct-action', 'object-pinned', program];
    await tc(interfaceName, ['filter', replacing ? 'replace' : 'add', ...place, ...what]);
  } catch (error) {
    if (!replacing && handle === OWN_QDISC) await removeQdisc(interfaceName);
    throw error;
  }
}

/** Removes the filter, and the qdisc if it was ours and nobody else's filters are in it. */
export async function removeFilter(interfaceName: string, { handle }: Filter): Promise<void> {
  await tc(interfaceName, ['filter', 'del', 'dev', interfaceName, 'ingress', 'pref', String(PREF)]);
  if (handle !== OWN_QDISC) return;
  const hooks = ['ingress', 'egress'];
  const others = hooks.map((hook) => listJson('tc', 'filter', 'show', 'dev', interfaceName, hook));
  if ((await Promise.all(others)).flat().length === 0) await removeQdisc(interfaceName);
}

/** True when it had to be made. */
async function addQdisc(interfaceName: string): Promise<boolean> {
  const listed = await listJson<{ kind: string }>('tc', 'qdisc', 'show', 'dev', interfaceName);
  if (listed.some(({ kind }) => kind === 'clsact')) return false;
  await tc(interfaceName, ['qdisc', 'add', 'dev', interfaceName, 'clsact']);
  return true;
}

const removeQdisc = (interfaceName: string) =>
  tc(interfaceName, ['qdisc', 'del', 'dev', interfaceName, 'clsact']);

async function tc(interfaceName: string, args: readonly string[]): Promise<void> {
  const { failed, problem } = await tryTool('tc', args);
  if (failed)
    throw new BatonError('STEERING_FAILED', { interface: interfaceName, problem: `tc: ${problem}` });
}
