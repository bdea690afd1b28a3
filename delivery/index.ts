/** What a program imports to receive a head's connections: `import { receiveConnections } from 'baton/delivery'`. */
import '../shared/need-node.ts';

export { BatonError } from '../shared/errors.ts';
export { type ConnectionInfo, connectionInfo } from './connections.ts';
export { receiveConnections } from './receive.ts';
export type { ReceiveOptions, Receiver } from './receive-options.ts';
