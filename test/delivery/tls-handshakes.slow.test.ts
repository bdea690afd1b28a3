/** Handshakes with a server that was handed the connection before: in pieces, twice begun, broken off; as directly. */
import { once } from 'node:events';
import { createServer as createHttpsServer } from 'node:https';
import type { Socket } from 'node:net';
import { connect } from 'node:tls';
import test from 'ava';
import { alike, bothWays } from '../support/both-ways.ts';
import {
  clientHello,
  getHttps,
  inPiecesOf,
  NAME,
  pair,
  readAll,
  sendingAs,
  trust,
} from '../support/encrypted.ts';
import { oneHead } from '../support/one-head.ts';
import { open } from '../support/raw-client.ts';
import { until } from '../support/until.ts';

const head = oneHead(test);

test.serial('a second hello, which the server asked for, reaches the same delivery', async (t) => {
  const server = createHttpsServer(
    { ...pair, ecdhCurve: 'P-384' },
    (_request, response) => void response.end('ok'),
  );
  const { ways } = await bothWays(head, t, server);
  for (const send of [inPiecesOf(100_000), inPiecesOf(50), inPiecesOf(1)]) {
    const found = await alike(t, ways, async (address) => {
      // The share that it sends is of the first group, which the server does not know.
      const duplex = await sendingAs(address, send);
      const options = { minVersion: 'TLSv1.3', ecdhCurve: 'X25519:P-384', socket: duplex } as const;
      const socket = connect({ servername: NAME, ...trust, ...options });
      await once(socket, 'secureConnect');
      const group = socket.getEphemeralKeyInfo();
      socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
      return { group, ok: (await readAll(socket)).endsWith('ok') };
    });
    t.like(found, { group: { name: 'secp384r1' }, ok: true });
  }
});

test.serial('a hello that comes in pieces, at any pace, is the TLS engine’s to read', async (t) => {
  const server = createHttpsServer(pair, (request, response) => void request.pipe(response));
  const { ways } = await bothWays(head, t, server);
  const body = 'b'.repeat(20_000);
  for (const length of [1, 7, 300, 1500]) {
    await alike(
      t,
      ways,
      async (address) => {
        const socket = connect({
          servername: NAME,
          ...trust,
          socket: await sendingAs(address, inPiecesOf(length)),
        });
        socket.write(
          `POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
        );
        const answer = await readAll(socket);
        t.true(answer.includes(' 200 OK'));
        return answer.split('b').length - 1;
      },
      String(length),
    );
  }
});

test.serial(
  'clients that close, flood or freeze in the midst of the handshake cost no more than directly',
  async (t) => {
    const errors: (string | undefined)[] = [];
    const server = createHttpsServer(
      { ...pair, handshakeTimeout: 300 },
      (_request, response) => void response.end('ok'),
    );
    server.on('tlsClientError', (error: NodeJS.ErrnoException) => errors.push(error.code));
    const { ways, receiver } = await bothWays(head, t, server);
    const hello = await clientHello();
    // What a client sends next is encrypted: nobody can read this.
    const nonsense = Buffer.alloc(100_000, '\x17\x03\x03\x00\x20nonsense');
    const alert = Buffer.from('15030300020100', 'hex');
    for (const [what, act] of [
      ['closes', (socket: Socket) => void socket.end()],
      ['resets', (socket: Socket) => void socket.resetAndDestroy()],
      ['floods', (socket: Socket) => void socket.write(nonsense)],
      ['says goodbye', (socket: Socket) => void socket.end(alert)],
      ['freezes', () => {}],
    ] as const) {
      const told = await alike(
        t,
        ways,
        async (address) => {
          errors.length = 0;
          const socket = await open(address);
          socket.on('error', () => {});
          socket.write(hello);
          await once(socket, 'data');
          socket.resume();
          act(socket);
          await until(
            `the server is told that it ${what}`,
            () => errors,
            ({ length }) => length > 0,
          );
          socket.destroy();
          return [...errors];
        },
        what,
      );
      t.is(told.length, 1);
    }
    await until(
      'no connection is left',
      () => receiver.connections,
      (count) => count === 0,
    );
    t.is((await getHttps(ways['handed over'])).body, 'ok');
  },
);
