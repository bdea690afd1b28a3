import { type Endpoint, localEndpoint, peerEndpoint } from '../sys/endpoints.ts';
import { type Refusal, refusalOf } from './refusal.ts';

/** The two ends of a connection, as its server sees them. */
export interface Ends {
  readonly client: Endpoint;
  readonly server: Endpoint;
}

export function endsOf(fd: number): Ends | Refusal {
  const server = localEndpoint(fd);
  if (typeof server === 'number') return refusalOf('getsockname', server);
  const client = peerEndpoint(fd);
  if (typeof client === 'number') return refusalOf('getpeername', client);
  return { client, server };
}
