import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createSecureServer } from 'node:http2';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSecureContext, createServer, type TlsOptions } from 'node:tls';
import test, { type ExecutionContext } from 'ava';
import { receiveConnections } from '../../delivery/index.ts';
import { makeTickets, TicketKeys } from '../../delivery/tickets.ts';
import { createServer as createHttpServer } from '../../shared/node-http.ts';
import { NAME, openTls, pair } from '../support/encrypted.ts';
import { log } from '../support/one-head.ts';

const secret = Buffer.from('a secret of the test that is long enough');
const HOUR_MS = 3_600_000;
const PERIOD_MS = 12 * HOUR_MS;

const versions = ['TLSv1.2', 'TLSv1.3'] as const;
type Version = (typeof versions)[number];

/** One visit, with what the one before was given, if any. */
async function visit(server: Server, version: Version, session?: Buffer, servername = NAME) {
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const socket = await openTls(address, { maxVersion: version, ...(session && { session }), servername });
  // TLS 1.2 has it by now, and TLS 1.3 gets it after the handshake.
  let ticket = version === 'TLSv1.2' ? socket.getSession() : session;
  socket.on('session', (given: Buffer) => {
    ticket = given;
  });
  await once(socket.resume(), 'end');
  const isResumed = socket.isSessionReused();
  socket.destroy();
  return { isResumed, ticket };
}

/** Servers of two hosts, as it were: their keys come from the same secret, and Node takes them for different applications. */
async function servers(
  t: ExecutionContext,
  all: readonly { options?: TlsOptions; keys?: TicketKeys }[],
): Promise<Server[]> {
  return await Promise.all(
    all.map(async ({ options, keys }, at) => {
      const server = createServer({ ...pair, sessionIdContext: String(at), ...options }, (socket) =>
        socket.end('hello'),
      );
      if (keys) makeTickets(server, keys);
      server.listen(0, '127.0.0.1');
      t.teardown(() => server.close());
      await once(server, 'listening');
      return server;
    }),
  );
}

test('keys are those of the secret, the names served, in any order, and the time', (t) => {
  const at = (now: number, served: readonly string[] = [], by = secret) =>
    new TicketKeys(by, served, () => now);
  const name = (keys: TicketKeys) => keys.current.name.toString('hex');
  t.is(name(at(0)), name(at(PERIOD_MS - 1)));
  t.is(name(at(0, ['b.test', 'A.test', 'b.test'])), name(at(0, ['a.test', 'B.TEST'])));
  const all = [
    at(0),
    at(PERIOD_MS),
    at(0, ['a.test']),
    at(0, ['a.test', 'b.test']),
    at(0, [], Buffer.from('b')),
  ];
  t.is(new Set(all.map(name)).size, all.length);
  t.is(new Set(all.map(({ sessionContext }) => sessionContext)).size, all.length - 1);
  const { hmac, aes, name: named } = at(0).current;
  t.is(new Set([hmac, aes, named].map(String)).size, 3);
});

test('keys of the generation before and of the next are known, and none that are older', (t) => {
  let now = 10 * PERIOD_MS;
  const keys = new TicketKeys(secret, [], () => now);
  const { name, aes } = keys.current;
  for (const [ms, isKnown] of [
    [9 * PERIOD_MS, true],
    [9 * PERIOD_MS - 1, false],
    [12 * PERIOD_MS - 1, true],
    [12 * PERIOD_MS, false],
  ] as const) {
    now = ms;
    t.deepEqual(keys.find(name)?.aes, isKnown ? aes : undefined, String(ms / PERIOD_MS));
  }
  t.is(keys.find(Buffer.alloc(16)), undefined);
});

for (const version of versions) {
  test(`a client resumes at whichever server it lands, and at none that has not the secret, ${version}`, async (t) => {
    const keys = () => new TicketKeys(secret, ['shop.test']);
    const [one, two, other, foreign] = (await servers(t, [
      { keys: keys() },
      { keys: keys() },
      { keys: new TicketKeys(secret, ['other.test']) },
      {},
    ])) as [Server, Server, Server, Server];
    let { isResumed, ticket } = await visit(one, version);
    t.false(isResumed);
    for (let count = 0; count < 20; count++) {
      ({ isResumed, ticket } = await visit(count % 2 === 0 ? two : one, version, ticket));
      t.true(isResumed, String(count));
    }
    for (const server of [other, foreign]) t.false((await visit(server, version, ticket)).isResumed);
  });

  test(`a ticket of the generation before resumes, and one that is older begins anew, ${version}`, async (t) => {
    const start = Math.ceil(Date.now() / PERIOD_MS) * PERIOD_MS;
    let now = start;
    const make = () => ({ keys: new TicketKeys(secret, [], () => now) });
    const [one, two] = (await servers(t, [make(), make()])) as [Server, Server];
    const { ticket } = await visit(one, version);
    now = start + PERIOD_MS;
    const later = await visit(two, version, ticket);
    t.true(later.isResumed);
    now = start + 2 * PERIOD_MS;
    t.false((await visit(one, version, ticket)).isResumed, 'of two generations ago');
    // TLS 1.3 renews with every visit, so that who comes often enough resumes for ever.
    if (version === 'TLSv1.3') t.true((await visit(one, version, later.ticket)).isResumed);
    // A host whose clock is behind.
    now = start - 1;
    t.true((await visit(two, version, ticket)).isResumed);
  });

  test(`names with certificates of their own resume as well, ${version}`, async (t) => {
    const own = createSecureContext(pair);
    const options = {
      SNICallback: (_name: string, done: (error: null, context: typeof own) => void) => done(null, own),
    };
    const keys = () => new TicketKeys(secret, []);
    const [one, two] = (await servers(t, [
      { keys: keys(), options: options as TlsOptions },
      { keys: keys() },
    ])) as [Server, Server & { addContext(name: string, options: object): void }];
    two.addContext('*.img.test', pair);
    let { ticket, isResumed } = await visit(one, version, undefined, 'a.img.test');
    for (const server of [two, one, two]) {
      ({ ticket, isResumed } = await visit(server, version, ticket, 'a.img.test'));
      t.true(isResumed);
    }
  });

  test(`a server with a new certificate resumes what came before, ${version}`, async (t) => {
    const [one] = (await servers(t, [{ keys: new TicketKeys(secret, []) }])) as [Server];
    const { ticket } = await visit(one, version);
    (one as unknown as { setSecureContext(options: object): void }).setSecureContext(pair);
    t.true((await visit(one, version, ticket)).isResumed);
  });
}

test('a secret that others can read is refused, and a server that makes no tickets', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'baton-tickets-'));
  t.teardown(() => rm(directory, { recursive: true }));
  const file = join(directory, 'secret');
  await writeFile(file, secret, { mode: 0o600 });
  const receive = (server: Server) =>
    receiveConnections(server, { head: join(directory, 'none.sock'), ticketSecret: file, log });
  for (const server of [createHttpsServer(pair), createSecureServer(pair), createServer(pair)])
    await receive(server).close();
  t.throws(() => receive(createHttpServer()), {
    code: 'BAD_OPTION',
    message: /--ticket-secret: only a server that speaks TLS/,
  });
  await chmod(file, 0o644);
  t.throws(() => receive(createHttpsServer(pair)), {
    code: 'SECRET_UNUSABLE',
    message: /can be read by others/,
  });
  await chmod(file, 0o600);
  await writeFile(file, 'short');
  t.throws(() => receive(createHttpsServer(pair)), { code: 'SECRET_UNUSABLE', message: /must hold/ });
});
