/** An application hears that its client has left as soon as it would directly, over every protocol. */
import { once } from 'node:events';
import { connect as connectHttp2, createSecureServer, type Http2ServerResponse } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import test from 'ava';
import { WebSocket, WebSocketServer } from 'ws';
import { openTls, pair, trust } from '../support/encrypted.ts';
import { askAndStay, oneHead } from '../support/one-head.ts';

const head = oneHead(test);
const TIMES = 15;

test.serial('a client that leaves is noticed as soon as directly', async (t) => {
  /** Called when the application hears that whom it answers has gone. */
  let heard = () => {};
  const server = createSecureServer(
    { ...pair, allowHTTP1: true },
    (_request, response: Http2ServerResponse) => {
      response.on('close', () => heard());
      response.write('and on and on');
    },
  );
  const sockets = new WebSocketServer({ noServer: true });
  server.on('upgrade', (request, socket, first) =>
    sockets.handleUpgrade(request, socket as Socket, first, (client) => client.on('close', () => heard())),
  );
  server.listen(0, '127.0.0.1');
  const receiver = head.feeding(t)(server, { name: 'd1' });
  await receiver.ready;
  t.teardown(() => sockets.close());

  const leaving: Record<string, (address: string) => Promise<() => void>> = {
    async 'HTTP/1, closes'(address) {
      const socket = await openTls(address);
      socket.write(askAndStay);
      await once(socket, 'data');
      return () => socket.destroy();
    },
    async 'HTTP/1, ends its side'(address) {
      const socket = await openTls(address);
      socket.write(askAndStay);
      await once(socket, 'data');
      return () => socket.end();
    },
    async 'HTTP/2, resets the stream'(address) {
      const session = connectHttp2(`https://${address}`, trust);
      const stream = session.request({ ':path': '/' });
      await once(stream, 'data');
      stream.on('close', () => session.destroy());
      return () => stream.close(8);
    },
    async 'HTTP/2, closes'(address) {
      const session = connectHttp2(`https://${address}`, trust);
      const stream = session.request({ ':path': '/' });
      stream.on('error', () => {});
      await once(stream, 'data');
      return () => session.destroy();
    },
    async 'WebSocket, closes'(address) {
      const socket = new WebSocket(`wss://${address}/`, [], trust);
      await once(socket, 'open');
      return () => socket.terminate();
    },
  };
  const ways = {
    direct: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    'handed over': head.cluster.listen,
  };
  for (const [what, open] of Object.entries(leaving)) {
    const times = { direct: [] as number[], 'handed over': [] as number[] };
    for (let count = 0; count < TIMES; count++) {
      for (const way of ['direct', 'handed over'] as const) {
        const leave = await open(ways[way]);
        const told = new Promise<void>((resolve) => {
          heard = resolve;
        });
        const from = performance.now();
        leave();
        await told;
        times[way].push(performance.now() - from);
      }
    }
    const [direct, handedOver] = [times.direct, times['handed over']].map(
      (all) => all.toSorted((a, b) => a - b)[TIMES >> 1]!,
    ) as [number, number];
    t.log(`${what}: ${direct.toFixed(1)} ms directly, ${handedOver.toFixed(1)} ms handed over`);
    t.true(handedOver < direct + 50, what);
  }
});
