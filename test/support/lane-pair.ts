/** Two ends of a lane in one process. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import type { ExecutionContext } from 'ava';
import { listenerOf } from '../../shared/sys/listener-of.ts';
import { closeFd, duplicateFd } from '../../shared/sys/sockets.ts';
import { LaneSocket } from '../../shared/wire/remote/lane-socket.ts';
import type { Opener, Sealer } from '../../shared/wire/remote/sealed.ts';

export async function pair(t: ExecutionContext): Promise<[Socket, Socket]> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const accepted = once(server, 'connection');
  const one = connect(port, '127.0.0.1');
  await once(one, 'connect');
  const [other] = (await accepted) as [Socket];
  server.close();
  t.teardown(() => {
    one.destroy();
    other.destroy();
  });
  return [one, other];
}

export function take(t: ExecutionContext, socket: Socket, sealer: Sealer, opener: Opener): LaneSocket {
  // As lanes are taken from Node's sockets, which would read what comes.
  const lane = new LaneSocket(duplicateFd(listenerOf(socket)), sealer, opener);
  socket.destroy();
  t.teardown(() => closeFd(lane.fd));
  return lane;
}
