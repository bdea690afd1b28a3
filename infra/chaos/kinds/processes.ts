/** Processes that faults are of. */
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Lab } from '../../lab/lab.ts';
import { type Broken, type Fault, nothing, type World } from './kind.ts';
import { moreOf } from './upgrade.ts';

interface Process {
  readonly pid: number;
  freeze(): Promise<void>;
  resume(): Promise<void>;
}

/** `head`, a delivery or a client. */
export function processOf(target: string, { lab, clients }: World): Process {
  const found =
    target === 'head'
      ? lab.head
      : (clients.get(target)?.service ?? lab.deliveries.find(({ name }) => name === target)!);
  // Which process it is may change; this is about the one of now.
  return { pid: found.pid, freeze: () => found.freeze(), resume: () => found.resume() };
}

/** It ends so, and is started again. */
export function endAndStart(how: 'kill' | 'stop', fault: Fault, world: World): Broken {
  const { lab, clients } = world;
  const { target } = fault;
  const { pid } = processOf(target, world);
  if (target === 'head')
    return { pid, begin: () => lab.head.restart(how, { more: moreOf(fault) }), end: nothing };
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

/** A head that has just started does not know it yet, nor one whose cable is down. */
export async function untilRegistered({ head }: Lab, name: string): Promise<void> {
  const isKnown = async () => (await head.status()).deliveries.some((each) => each.name === name);
  const deadline = performance.now() + KNOWN_WITHIN_MS;
  while (performance.now() < deadline && !(await isKnown())) await delay(50);
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
