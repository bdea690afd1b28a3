/** What a program imports to receive a head's connections: `import { receiveConnections } from 'baton/delivery'`. */
import '../shared/need-node.ts';

export { BatonError } from '../shared/errors.ts';
export { type ConnectionInfo, connectionInfo } from './connections.ts';
export { type ReceiveOptions, type Receiver, receiveConnections } from './receive.ts';
