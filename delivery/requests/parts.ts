/** What distribution by request has of the receiver that it is part of. */
import type { Server } from 'node:net';
import type { Admission } from '../admit.ts';
import type { Connections } from '../connections.ts';
import type { DeliveryWayBack } from '../way-back.ts';

export interface DistributorParts {
  readonly server: Server;
  readonly admission: Pick<Admission, 'prepare' | 'watch'>;
  readonly connections: Connections;
  readonly waysBack: () => readonly DeliveryWayBack[];
}
