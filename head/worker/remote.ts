/** What a worker needs for deliveries of other hosts; loaded at its start where it may move connections there (see ../remote.ts). */
import { rehearseWorker } from '../migrate/warm-up.ts';
import { rehearseOwnMoves } from './rehearsal.ts';

export { RemoteLane } from './migrate-lane.ts';

export function rehearse(): void {
  rehearseWorker();
  rehearseOwnMoves();
}
