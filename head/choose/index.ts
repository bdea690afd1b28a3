/** Every policy, the first one the default. A new one is a file here and a line below. */
import type { Loads } from '../scoreboard.ts';
import { clientHash } from './client-hash.ts';
import { lard } from './lard.ts';
import { lardR } from './lard-r.ts';
import { leastConnections } from './least-connections.ts';
import { nameHash } from './name-hash.ts';
import { pathHash } from './path-hash.ts';
import type { Choose, Parameter, Policy } from './policy.ts';
import { roundRobin } from './round-robin.ts';
import { weighted } from './weighted.ts';

export const policies: readonly Policy[] = [
  roundRobin,
  leastConnections,
  weighted,
  clientHash,
  pathHash,
  nameHash,
  lard,
  lardR,
];

export const policyNames: readonly string[] = policies.map((policy) => policy.name);

export interface ChosenPolicy {
  readonly policy: Policy;
  readonly parameters: Readonly<Record<string, number>>;
}

/** A policy's name, and behind it what is to be other than it is by default: `lard:low=10,high=30`. Throws a RangeError. */
export function policyOf(text: string): ChosenPolicy {
  const [name, given] = text.split(/:(.*)/s, 2) as [string, string | undefined];
  const policy = policies.find((candidate) => candidate.name === name);
  if (!policy) throw new RangeError(`the policies are ${policyNames.join(', ')}`);
  const known = policy.parameters ?? {};
  const parameters = Object.fromEntries(Object.entries(known).map(([key, { value }]) => [key, value]));
  for (const part of given === undefined ? [] : given.split(',')) {
    const [, key, value] = /^([a-z]+)=(\d{1,9})$/.exec(part) ?? [];
    const bounds = key !== undefined && Object.hasOwn(known, key) ? known[key] : undefined;
    if (!bounds || Number(value) < bounds.min || Number(value) > bounds.max)
      throw new RangeError(`${name} takes ${describe(known)}`);
    parameters[key!] = Number(value);
  }
  return { policy, parameters };
}

function describe(known: Readonly<Record<string, Parameter>>): string {
  const all = Object.entries(known).map(([key, { value, min, max }]) => `${key}=${value} (${min} to ${max})`);
  return all.length === 0 ? 'no parameters' : `parameters as in NAME:KEY=NUMBER,...: ${all.join(', ')}`;
}

export const policyByName = (text: string): Policy => policyOf(text).policy;

/** What the workers share of each policy that shares something. */
export type Shared = Readonly<Record<string, SharedArrayBuffer>>;

/** Nothing of it takes any memory until it is written to. */
export const createShared = (): Shared =>
  Object.fromEntries(policies.map(({ name, sharedBytes = 0 }) => [name, new SharedArrayBuffer(sharedBytes)]));

/** `text` as for `policyOf`. */
export function createChoose(text: string, loads: Loads, nameHash: Uint32Array, shared: Shared): Choose {
  const { policy, parameters } = policyOf(text);
  return policy.create(loads, nameHash, { parameters, shared: shared[policy.name]! });
}
