import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { ExecutionContext } from 'ava';
import { bindReuseport } from '../../shared/sys/reuseport.ts';
import { acceptNonBlocking, closeFd, listen } from '../../shared/sys/sockets.ts';

/** Clients with a connection each, and the server's ends of these, which are the caller's. */
export async function acceptedConnections(t: ExecutionContext, count: number) {
  const { fds: listeners, bound } = await bindReuseport({ host: '127.0.0.1', port: 0 }, 1);
  t.teardown(() => closeFd(listeners[0]!));
  listen(listeners[0]!, count);
  const clients: Socket[] = [];
  const fds: number[] = [];
  for (let i = 0; i < count; i++) {
    const client = connect(bound.port, bound.host);
    t.teardown(() => client.destroy());
    await once(client, 'connect');
    clients.push(client);
    fds.push(acceptNonBlocking(listeners[0]!));
  }
  return { clients, fds };
}
