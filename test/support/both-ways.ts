/** What a client gets from a server that listens itself, and through a head: the same. */
import type { AddressInfo, Server } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { ExecutionContext } from 'ava';
import { connectionInfo, type ReceiveOptions } from '../../delivery/index.ts';
import type { OneHead } from './one-head.ts';

/** A server under the head that listens itself as well: where its clients come to, by name. */
export async function bothWays(
  head: OneHead,
  t: ExecutionContext,
  server: Server,
  options: ReceiveOptions = {},
) {
  const feed = head.feeding(t);
  server.listen(0, '127.0.0.1');
  const receiver = feed(server, { name: 'd1', ...options });
  await receiver.ready;
  const direct = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { receiver, ways: { direct, 'handed over': head.cluster.listen } as const };
}

/** What `visit` finds is the same on each way. */
export async function alike<T>(
  t: ExecutionContext,
  ways: Readonly<Record<string, string>>,
  visit: (address: string) => Promise<T>,
  what?: string,
): Promise<T> {
  const [direct, handedOver] = [await visit(ways.direct!), await visit(ways['handed over']!)];
  t.deepEqual(handedOver, direct, what);
  return handedOver;
}

/** What an application sees of its client. */
export const look = (request: { httpVersion: string; socket: object }): string => {
  const { remoteAddress, remotePort, remoteFamily, localAddress, localPort, encrypted } =
    request.socket as TLSSocket;
  const info = connectionInfo(request.socket);
  const ports = typeof remotePort === 'number' && typeof localPort === 'number';
  return JSON.stringify({
    way: info?.transport ?? 'direct',
    delivery: info?.delivery ?? 'd1',
    seen: { version: request.httpVersion, remoteAddress, remoteFamily, localAddress, ports, encrypted },
  });
};
export const seen = (body: string) => (JSON.parse(body) as { seen: unknown }).seen;
