import { rendezvous } from '../../shared/rendezvous.ts';
import type { Policy } from './policy.ts';

/** The same server name goes to the same delivery, so that each keeps the sessions and the pages of its own sites. */
export const nameHash: Policy = {
  name: 'name-hash',
  summary: 'the same server name (of TLS, or Host) to the same delivery',
  needs: 'name',
  byRequest: 'lease',
  create: (_loads, deliveries) => (candidates, keyHash) => rendezvous(candidates, deliveries, keyHash),
};
