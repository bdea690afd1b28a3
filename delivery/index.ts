/** What a program imports to receive a head's connections: `import { receiveConnections } from 'baton/delivery'`. */
import '../shared/need-node.ts';

import type { Server } from 'node:net';
import { receive } from './receive.ts';
import type { ReceiveOptions, Receiver } from './receive-options.ts';
import { farHeads } from './remote/heads.ts';

export { BatonError } from '../shared/errors.ts';
export { type ConnectionInfo, connectionInfo } from './connections.ts';
export type { ReceiveOptions, Receiver } from './receive-options.ts';

/**
 * Attaches a head to `server`. Keeps trying until there is a head, and again whenever the head restarts. When the server is
 * closed it takes leave, and when it listens again it comes back.
 */
export function receiveConnections(server: Server, options: ReceiveOptions = {}): Receiver {
  return receive(server, options, farHeads);
}
