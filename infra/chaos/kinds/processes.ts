/** Processes that faults are of. */
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { askEach, headNames } from '../../lab/heads.ts';
import type { Lab, LabHead } from '../../lab/lab.ts';
import { type Broken, type Came, type Fault, nothing, type World } from './kind.ts';

interface Process {
  readonly pid: number;
  freeze(): Promise<void>;
  resume(): Promise<void>;
}

/** All heads, which are told the same. */
export const HEADS = headNames(2);

export const headOf = (target: string, { heads }: Lab): LabHead | undefined => heads[HEADS.indexOf(target)];

/** Arguments of a head that starts again, or takes over, besides. */
export const moreOf = ({ policy, workers }: Fault) => [
  ...(policy === undefined ? [] : ['--policy', policy]),
  ...(workers === undefined ? [] : ['--workers', String(workers)]),
];

/** A head, a delivery or a client. */
export function processOf(target: string, { lab, clients }: World): Process {
  const found =
    headOf(target, lab) ??
    clients.get(target)?.service ??
    lab.deliveries.find(({ name }) => name === target)!;
  // Which process it is may change; this is about the one of now.
  return { pid: found.pid, freeze: () => found.freeze(), resume: () => found.resume() };
}

/** It ends so, and is started again. */
export function endAndStart(how: 'kill' | 'stop', fault: Fault, world: World): Broken {
  const { lab, clients } = world;
  const { target } = fault;
  const { pid } = processOf(target, world);
  const head = headOf(target, lab);
  if (head && lab.headHosts) return { pid, begin: () => head.end(how), end: () => again(() => head.start()) };
  if (head) return { pid, begin: () => head.restart(how, { more: moreOf(fault) }), end: nothing };
  const client = clients.get(target);
  if (client)
    return {
      pid,
      begin: () => client.service[how](),
      end: async () => void clients.set(target, await client.restart()),
    };
  const delivery = lab.deliveries.find(({ name }) => name === target)!;
  return { pid, begin: () => delivery[how](), end: () => again(() => delivery.restart()) };
}

const TRIES = 4;

/** A machine that is busy, or a head that is away, may keep it from being ready in the lab's time. */
export async function again(start: () => Promise<void>): Promise<void> {
  for (let left = TRIES - 1; ; left--) {
    try {
      return await start();
    } catch (error) {
      if (left === 0) throw error;
    }
  }
}

const KNOWN_WITHIN_MS = 15_000;

/** Heads that have just started do not know it yet, nor those whose cables are down. Answers who knows it. */
async function untilRegistered({ heads }: Lab, name: string): Promise<readonly LabHead[]> {
  const known = async () => {
    const all = await Promise.all(heads.map((head) => head.status().catch(() => undefined)));
    return heads.filter((_, at) => all[at]?.deliveries.some((each) => each.name === name));
  };
  // One of the head's own host is no other head's.
  const enough = name.startsWith('d') ? heads.length : 1;
  const deadline = performance.now() + KNOWN_WITHIN_MS;
  for (;;) {
    const those = await known();
    if (those.length >= enough || performance.now() > deadline) return those;
    await delay(50);
  }
}

/** All heads that know it are told by `tell`, which answers what came of it; and that it is drained no more. */
export function drained(
  target: string,
  world: World,
  tell: (heads: readonly LabHead[]) => Promise<Came | undefined>,
): Broken {
  let told: readonly LabHead[] = [];
  return {
    pid: processOf(target, world).pid,
    async begin() {
      told = await untilRegistered(world.lab, target);
      return await tell(told);
    },
    end: () => askEach(told, (head) => head.drain(target, false)),
  };
}

/** Not a zombie either. */
export function isAlive(pid: number): boolean {
  if (!existsSync(`/proc/${pid}`)) return false;
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
}
