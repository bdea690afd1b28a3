/** Servers for visits over TLS, and what can come between. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { ExecutionContext } from 'ava';

/** Its port. It and its connections end with the test. */
export async function listen(t: ExecutionContext, server: Server): Promise<number> {
  const open = new Set<Socket>();
  server.on('connection', (socket) => {
    open.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => open.delete(socket));
  });
  server.listen(0, '127.0.0.1', 4096);
  await once(server, 'listening');
  t.teardown(() => {
    server.close();
    for (const socket of open) socket.destroy();
  });
  return (server.address() as AddressInfo).port;
}

export const serveTcp = (t: ExecutionContext, onConnection: (socket: Socket) => void): Promise<number> =>
  listen(t, createServer(onConnection));

/** Passes everything on to the server at `port`; what the server says goes through `pass`, which writes it to the client. */
export function serveBetween(
  t: ExecutionContext,
  port: number,
  pass: (bytes: Buffer, client: Socket, server: Socket) => void,
): Promise<number> {
  return serveTcp(t, (client) => {
    const server = connect(port, '127.0.0.1');
    server.setNoDelay();
    client.setNoDelay();
    server.on('error', () => client.destroy());
    server.on('data', (bytes) => pass(bytes, client, server));
    server.on('end', () => client.end());
    client.on('data', (bytes) => server.write(bytes));
    client.on('end', () => server.end());
    client.on('close', () => server.destroy());
  });
}
