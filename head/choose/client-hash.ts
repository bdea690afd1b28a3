import { rendezvous } from '../../shared/rendezvous.ts';
import type { Policy } from './policy.ts';

/** The same client address goes to the same delivery, as long as that one can take it. */
export const clientHash: Policy = {
  name: 'client-hash',
  summary: 'the same client address to the same delivery',
  needs: 'address',
  byRequest: 'lease',
  create: (_loads, nameHash) => (candidates, keyHash) => rendezvous(candidates, nameHash, keyHash),
};
