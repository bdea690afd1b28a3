/** The first flights of real TLS clients, recorded; and a plain reading of one, to compare another with. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';

export interface Recorded {
  readonly what: string;
  readonly bytes: Buffer;
  readonly name: string;
}

const HEADER = 5;

/** Bytes of the records that begin `bytes`, as far as their headers are there. */
function flightLength(bytes: Buffer): number {
  let at = 0;
  while (at + HEADER <= bytes.length && bytes[at] === 22) at += HEADER + bytes.readUInt16BE(at + 3);
  return at;
}

/** What the client that `begin` starts sends to a server that never answers. */
async function record(begin: (port: number) => ChildProcess | { destroy(): void }): Promise<Buffer> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = begin((server.address() as AddressInfo).port);
  try {
    return await new Promise<Buffer>((resolve, reject) => {
      setTimeout(() => reject(new Error('no hello in time')), 30_000).unref();
      server.on('connection', (socket) => {
        let bytes = Buffer.alloc(0);
        socket.on('error', () => {});
        socket.on('data', (chunk) => {
          bytes = Buffer.concat([bytes, chunk]);
          if (bytes.length < HEADER || flightLength(bytes) > bytes.length) return;
          socket.destroy();
          resolve(bytes.subarray(0, flightLength(bytes)));
        });
      });
    });
  } finally {
    if ('kill' in client) {
      if (client.exitCode === null && client.signalCode === null) {
        client.kill('SIGKILL');
        await once(client, 'exit');
      }
    } else {
      client.destroy();
    }
    server.close();
  }
}

const program = (command: string, ...args: string[]) =>
  spawn(command, args, { stdio: ['ignore', 'ignore', 'ignore'] });

const openssl = (...args: string[]) =>
  record((port) => program('openssl', 's_client', '-connect', `127.0.0.1:${port}`, ...args));

function node(options: object): Promise<Buffer> {
  return record((port) => {
    const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options });
    socket.on('error', () => {});
    return socket;
  });
}

/** RFC 8448 section 3. */
const rfc8448 = Buffer.from(
  '16030100c4010000c00303cb34ecb1e78163ba1c38c6dacb196a6dffa21a8d9912ec18a2ef6283024dece7000006130113031302' +
    '010000910000000b0009000006736572766572ff01000100000a00140012001d0017001800190100010101020103010400230000' +
    '003300260024001d002099381de560e4bd43d23d8e435a7dbafeb3c06e51c13cae4d5413691e529aaf2c002b0003020304000d00' +
    '20001e040305030603020308040805080604010501060102010402050206020202002d00020101001c00024001',
  'hex',
);

export const recordCommon = async (): Promise<Recorded[]> => [
  { what: 'RFC 8448', name: 'server', bytes: rfc8448 },
  {
    what: 'OpenSSL',
    name: 'shop.example',
    bytes: await openssl('-servername', 'Shop.Example', '-alpn', 'h2,http/1.1'),
  },
  {
    what: 'OpenSSL, TLS 1.2',
    name: 'shop.example',
    bytes: await openssl('-servername', 'shop.example', '-tls1_2'),
  },
  { what: 'OpenSSL without a name', name: '', bytes: await openssl('-noservername') },
  {
    what: 'Node, with a post-quantum key share',
    name: 'a.img.example',
    bytes: await node({ servername: 'a.img.example', ALPNProtocols: ['h2', 'http/1.1'] }),
  },
  {
    what: 'Node, TLS 1.2',
    name: 'a.img.example',
    bytes: await node({ servername: 'a.img.example', maxVersion: 'TLSv1.2' }),
  },
];

export const recordCurl = async (): Promise<Recorded> => ({
  what: 'curl',
  name: 'curl.example',
  bytes: await record((port) =>
    program('curl', '-sk', '--connect-to', `::127.0.0.1:${port}`, 'https://curl.example/'),
  ),
});

export async function recordChromium(): Promise<Recorded> {
  const home = await mkdtemp(join(tmpdir(), 'baton-chromium-'));
  try {
    const bytes = await record((port) =>
      program(
        'chromium',
        ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
        ...['--disable-background-networking', '--disable-component-update', `--user-data-dir=${home}`],
        ...[`--host-resolver-rules=MAP browser.example 127.0.0.1:${port}`, 'https://browser.example/'],
      ),
    );
    return { what: 'Chromium', name: 'browser.example', bytes };
  } finally {
    // Its helpers may still be writing as it ends.
    await rm(home, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }
}

/** The ClientHello of one flight, with its message header. */
export const messageOf = (flight: Buffer): Buffer => {
  const parts: Buffer[] = [];
  for (let at = 0; at < flight.length; at += HEADER + flight.readUInt16BE(at + 3))
    parts.push(flight.subarray(at + HEADER, at + HEADER + flight.readUInt16BE(at + 3)));
  return Buffer.concat(parts);
};

/** Records of these many bytes each, the last one of what is left. */
export function intoRecords(message: Buffer, sizes: readonly number[]): Buffer {
  const records: Buffer[] = [];
  let at = 0;
  for (const size of [...sizes, message.length]) {
    const part = message.subarray(at, at + size);
    at += size;
    if (part.length === 0) break;
    records.push(Buffer.from([22, 3, 1, part.length >> 8, part.length & 255]), part);
  }
  return Buffer.concat(records);
}

export type Reading =
  | { readonly is: 'incomplete' | 'malformed' | 'too long' }
  | { readonly is: 'complete'; name: string; alpn: string[]; versions: number[] };

class Bad extends Error {}
class More extends Error {}
class Long extends Error {}

/** Reads on from where it is, within its own bytes. */
class Cursor {
  bytes: Buffer;
  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }
  take(count: number): Buffer {
    if (count > this.bytes.length) throw new Bad();
    const taken = this.bytes.subarray(0, count);
    this.bytes = this.bytes.subarray(count);
    return taken;
  }
  number(size: number): number {
    return this.take(size).readUIntBE(0, size);
  }
  vector(size: number): Cursor {
    return new Cursor(this.take(this.number(size)));
  }
  get isEmpty(): boolean {
    return this.bytes.length === 0;
  }
  end(): void {
    if (!this.isEmpty) throw new Bad();
  }
}

/** What a whole flight is, slowly and by the letter; where it is cut short, incomplete however wrong it may be already. */
export function readPlainly(flight: Buffer): Reading {
  try {
    return { is: 'complete', ...readHello(joinRecords(flight)) };
  } catch (error) {
    if (error instanceof More) return { is: 'incomplete' };
    if (error instanceof Long) return { is: 'too long' };
    if (error instanceof Bad) return { is: 'malformed' };
    throw error;
  }
}

function joinRecords(flight: Buffer): Cursor {
  let message = Buffer.alloc(0);
  let rest = flight;
  for (let records = 0; ; records++) {
    if (rest.length > 0 && rest[0] !== 22) throw new Bad();
    if (rest.length > 1 && rest[1] !== 3) throw new Bad();
    if (rest.length < HEADER) throw new More();
    const size = rest.readUInt16BE(3);
    if (size === 0 || size > 16_384) throw new Bad();
    if (records === 128) throw new Long();
    message = Buffer.concat([message, rest.subarray(HEADER, HEADER + size)]);
    if (message.length > 0 && message[0] !== 1) throw new Bad();
    if (message.length >= 4) {
      const total = 4 + message.readUIntBE(1, 3);
      if (total > 16_388) throw new Long();
      if (message.length >= total) return new Cursor(message.subarray(4, total));
    }
    if (rest.length < HEADER + size) throw new More();
    rest = rest.subarray(HEADER + size);
  }
}

const isGrease = (value: number): boolean => (value & 0x0f0f) === 0x0a0a && value >> 8 === (value & 255);

function readHello(hello: Cursor): { name: string; alpn: string[]; versions: number[] } {
  const found = { name: '', alpn: [] as string[], versions: [hello.number(2)] };
  if (found.versions[0]! >> 8 !== 3) throw new Bad();
  hello.take(32);
  if (hello.vector(1).bytes.length > 32) throw new Bad();
  const ciphers = hello.vector(2).bytes.length;
  if (ciphers === 0 || ciphers % 2 === 1) throw new Bad();
  if (hello.vector(1).isEmpty) throw new Bad();
  if (hello.isEmpty) return found;
  const extensions = hello.vector(2);
  hello.end();
  const seen = new Set<number>();
  while (!extensions.isEmpty) {
    const type = extensions.number(2);
    const body = extensions.vector(2);
    if (seen.has(type) || seen.has(41)) throw new Bad();
    seen.add(type);
    if (type === 0) {
      const list = body.vector(2);
      body.end();
      if (list.number(1) !== 0) throw new Bad();
      const name = list.vector(2).bytes;
      list.end();
      if (name.length === 0 || name.length > 255 || name.includes(0)) throw new Bad();
      found.name = name.toString('latin1');
    } else if (type === 16) {
      const list = body.vector(2);
      body.end();
      if (list.isEmpty) throw new Bad();
      while (!list.isEmpty) {
        const one = list.vector(1).bytes;
        if (one.length === 0) throw new Bad();
        if (one.length !== 2 || !isGrease(one.readUInt16BE(0))) found.alpn.push(one.toString('latin1'));
      }
    } else if (type === 43) {
      const list = body.vector(1);
      body.end();
      if (list.isEmpty) throw new Bad();
      found.versions = [];
      while (!list.isEmpty) {
        const version = list.number(2);
        if (!isGrease(version)) found.versions.push(version);
      }
    }
  }
  return found;
}
