/** How a connection came to this process, for applications that want to know. */
import type { Socket } from 'node:net';
import type { Transport } from '../shared/status.ts';

export interface ConnectionInfo {
  /** One of a kind among all connections of the head, its earlier runs included. */
  readonly id: string;
  readonly transport: Transport;
  /** The name under which this delivery is registered. */
  readonly delivery: string;
}

const infos = new WeakMap<object, ConnectionInfo>();

export const setConnectionInfo = (socket: Socket, info: ConnectionInfo): void => void infos.set(socket, info);

/** Undefined for a connection that did not come from a head. */
export const connectionInfo = (socket: object): ConnectionInfo | undefined => infos.get(socket);
