/** Every policy, the first one the default. A new one is a file here and a line below. */
import { clientHash } from './client-hash.ts';
import { leastConnections } from './least-connections.ts';
import { nameHash } from './name-hash.ts';
import { pathHash } from './path-hash.ts';
import type { Policy } from './policy.ts';
import { roundRobin } from './round-robin.ts';
import { weighted } from './weighted.ts';

export const policies: readonly Policy[] = [
  roundRobin,
  leastConnections,
  weighted,
  clientHash,
  pathHash,
  nameHash,
];

export const policyNames: readonly string[] = policies.map((policy) => policy.name);

export function policyByName(name: string): Policy {
  const policy = policies.find((candidate) => candidate.name === name);
  if (!policy) throw new RangeError(`no policy ${name}`);
  return policy;
}
