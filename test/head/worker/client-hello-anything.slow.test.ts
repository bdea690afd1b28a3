/** What holds for any hello of TLS, however wrong it is. */

import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import { createServer } from 'node:tls';
import test from 'ava';
import { seededRandom } from '../../../infra/statistics/random.ts';
import {
  intoRecords,
  type Recorded,
  readPlainly,
  recordChromium,
  recordCommon,
  recordCurl,
} from '../../support/hellos.ts';
import { has } from '../../support/needs.ts';
import { read } from './read-hello.ts';

/** A million: BATON_MUTATIONS=1000000 npx ava test/head/worker/client-hello-anything.slow.test.ts */
const MUTATIONS = Number(process.env.BATON_MUTATIONS ?? 100_000);
/** Of these OpenSSL is asked as well. */
const ASKED = 3000;

let hellos: Recorded[];

test.before(async () => {
  hellos = await recordCommon();
  if (has('curl')) hellos.push(await recordCurl());
  if (has('chromium')) hellos.push(await recordChromium());
});

/** One to four wrong things in a flight. */
function mutate(random: () => number, from: readonly Buffer[]): Buffer {
  const below = (count: number): number => Math.floor(random() * count);
  let bytes: Buffer = Buffer.from(from[below(from.length)]!);
  for (let left = 1 + below(4); left > 0; left--) {
    const at = below(bytes.length || 1);
    const end = at + below(Math.min(64, bytes.length - at) + 1);
    switch (below(10)) {
      case 0:
        if (bytes.length > 0) bytes[at]! ^= 1 << below(8);
        break;
      case 1:
        if (bytes.length > 0) bytes[at] = [0, 1, 2, 3, 16, 22, 41, 43, 127, 255][below(10)]!;
        break;
      case 2:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)]);
        break;
      case 3:
        bytes = Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)]);
        break;
      case 4:
        bytes = bytes.subarray(0, at);
        break;
      case 5: {
        const other = from[below(from.length)]!;
        bytes = Buffer.concat([bytes.subarray(0, at), other.subarray(below(other.length))]);
        break;
      }
      case 6:
        if (at + 2 <= bytes.length) bytes.writeUInt16BE((bytes.readUInt16BE(at) + below(7) - 3) & 0xffff, at);
        break;
      case 7:
      case 8:
        // Cut into records anew, which leaves it good where it was.
        bytes = intoRecords(
          bytes.subarray(5),
          Array.from({ length: below(5) }, () => 1 + below(200)),
        );
        break;
      default:
        // A byte of a name or of a length, most likely: what is near the front of the extensions.
        if (bytes.length > 200) bytes[60 + below(140)] = below(256);
    }
  }
  return Buffer.from(bytes);
}

test('of mutated hellos none is read wrongly: as by a plain reading, in pieces as at once, and without a look beyond', (t) => {
  const random = seededRandom(0x5eed);
  const from = hellos.map(({ bytes }) => bytes);
  const counts: Record<string, number> = {};
  for (let i = 0; i < MUTATIONS; i++) {
    const bytes = mutate(random, from);
    const whole = read(bytes);
    counts[whole.is] = (counts[whole.is] ?? 0) + 1;
    const plain = readPlainly(bytes);
    // What is cut short may be known to be wrong before it ends.
    const isEarly = plain.is === 'incomplete' && (whole.is === 'malformed' || whole.is === 'too long');
    // Two wrong things: which is named first is nobody's business.
    const isBoth = plain.is !== 'complete' && plain.is !== 'incomplete' && whole.is === 'malformed';
    if (!isEarly && !isBoth && JSON.stringify(plain) !== JSON.stringify(whole))
      t.fail(`${bytes.toString('hex')}: ${JSON.stringify(whole)}, not ${JSON.stringify(plain)}`);
    // Of a part of it no other verdict, and never one by what lies behind.
    const length = Math.floor(random() * (bytes.length + 1));
    const part = read(bytes, length);
    const alone = read(Buffer.from(bytes.subarray(0, length)));
    if (JSON.stringify(part) !== JSON.stringify(alone)) t.fail(`looks beyond: ${bytes.toString('hex')}`);
    if (part.is !== 'incomplete' && JSON.stringify(part) !== JSON.stringify(whole))
      t.fail(`takes its verdict back after ${length}: ${bytes.toString('hex')}`);
  }
  t.log(JSON.stringify(counts));
  for (const word of ['incomplete', 'complete', 'malformed'] as const)
    t.true(counts[word]! > MUTATIONS / 50, `${word}: ${counts[word]}`);
});

/** Asks OpenSSL, in Node's server, for the name in a flight; undefined where it does not come so far. */
async function opensslNames(): Promise<{ ask(bytes: Buffer): Promise<string | undefined>; close(): void }> {
  let name: string | undefined;
  const server = createServer({
    SNICallback(servername, done) {
      name = servername;
      done(new Error('known'));
    },
  });
  server.on('tlsClientError', (_error, socket) => socket.destroy());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    async ask(bytes) {
      name = undefined;
      const socket = connect({ port, host: '127.0.0.1' });
      socket.on('error', () => {});
      socket.resume();
      socket.end(bytes);
      await new Promise((resolve) => socket.once('close', resolve));
      return name;
    },
    close: () => server.close(),
  };
}

test('where OpenSSL reads a name out of a mutated hello, it is the one that is read here', async (t) => {
  const random = seededRandom(0x0551);
  const from = hellos.map(({ bytes }) => bytes);
  const openssl = await opensslNames();
  t.teardown(() => openssl.close());
  let agreed = 0;
  let stricter = 0;
  for (let i = 0; i < ASKED; i++) {
    const bytes = mutate(random, from);
    const name = await openssl.ask(bytes);
    if (name === undefined) continue;
    const reading = read(bytes);
    if (reading.is === 'complete') {
      t.is(reading.name, name, bytes.toString('hex'));
      agreed++;
    } else {
      // OpenSSL does not mind an unknown extension that comes twice, nor what is in one that it has no use for.
      t.is(reading.is, 'malformed', `${name}: ${bytes.toString('hex')}`);
      stricter++;
    }
  }
  t.log(`${agreed} names agreed, ${stricter} refused that OpenSSL takes`);
  t.true(agreed > ASKED / 20, `only ${agreed} names`);
  t.true(stricter < agreed / 10, `${stricter} refused that OpenSSL takes`);
});
