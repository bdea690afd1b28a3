/** What a head finds in the kernel's table: what an earlier one has moved, or was about to when it died. */
import type { Steering } from '../steer/index.ts';
import { nameOf } from './orphans.ts';

/** How often it is read before this is the head, and for how long at most, milliseconds. */
const REHEARSALS = 20;
const REHEARSE_MS = 20;

/** One that is steered to the host with this MAC address; its number, or 0. */
export interface Unclaimed {
  readonly key: Buffer;
  readonly mac: string;
  readonly id: number;
}

export interface FoundFlows {
  /** By the names of their keys. */
  readonly forwarded: ReadonlyMap<string, Unclaimed>;
  /** On their way. */
  readonly frozen: readonly Buffer[];
}

export function findFlows(steering: Pick<Steering, 'walkHolders'>): FoundFlows {
  const forwarded = new Map<string, Unclaimed>();
  const frozen: Buffer[] = [];
  steering.walkHolders((holder, key) => {
    const own = Buffer.from(key);
    if (holder) forwarded.set(nameOf(own), { key: own, mac: holder.mac, id: holder.id });
    else frozen.push(own);
  });
  return { forwarded, frozen };
}

/** Reads it for nothing: visitors wait while it is read, and would for code that runs for the first time. */
export function rehearseFinding(steering: Pick<Steering, 'walkHolders'>): void {
  const until = performance.now() + REHEARSE_MS;
  for (let n = 0; n < REHEARSALS && performance.now() < until; n++) findFlows(steering);
}
