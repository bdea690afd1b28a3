import { rendezvous } from '../../shared/rendezvous.ts';
import type { Policy } from './policy.ts';

/** The same path goes to the same delivery, so that each caches its own part of a site. The query does not count. */
export const pathHash: Policy = {
  name: 'path-hash',
  summary: 'the same path to the same delivery',
  needs: 'path',
  byRequest: 'hash',
  create: (_loads, nameHash) => (candidates, keyHash) => rendezvous(candidates, nameHash, keyHash),
};
