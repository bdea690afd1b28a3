/** The control channel to another host: what each side sees when the other has the secret, has not, or talks nonsense. */

import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { encodeFrame, FRAME_MAX, FrameReader } from '../../../../shared/wire/remote/frames.ts';
import {
  connectLink,
  type Link,
  type LinkHandlers,
  listenForLinks,
} from '../../../../shared/wire/remote/link.ts';
import { readSecret } from '../../../../shared/wire/remote/secret.ts';

const secret = Buffer.from('a secret of two sides, long enough');
const local = { host: '127.0.0.1', port: 0 };

/** A queue that can be awaited. */
function inbox<T>() {
  const items: T[] = [];
  const waiting: ((item: T) => void)[] = [];
  return {
    put(item: T): void {
      const next = waiting.shift();
      if (next) next(item);
      else items.push(item);
    },
    take: (): Promise<T> =>
      items.length > 0 ? Promise.resolve(items.shift()!) : new Promise((resolve) => waiting.push(resolve)),
  };
}

async function serve(t: ExecutionContext, idleMs = 5000) {
  const links = inbox<Link>();
  const events = inbox<unknown>();
  const refused = inbox<string>();
  const server = await listenForLinks(
    local,
    '--remote',
    { secret, idleMs },
    {
      onLink(link) {
        links.put(link);
        t.teardown(() => link.close());
        return {
          onMessage(message) {
            if (message === 'nonsense') throw new Error('that made no sense');
            events.put(message);
          },
          onEnd: (reason, how) => events.put(`${how}: ${reason}`),
        };
      },
      onRefused: (_peer, reason) => refused.put(reason),
    },
  );
  t.teardown(() => server.close());
  return { server, links, events, refused };
}

const quiet: LinkHandlers = { onMessage() {}, onEnd() {} };

test('messages go both ways, large ones and many at once', async (t) => {
  const { server, links, events } = await serve(t);
  const received = inbox<unknown>();
  const client = await connectLink(
    server.address,
    { secret, idleMs: 5000 },
    { onMessage: received.put, onEnd: received.put },
  );
  t.teardown(() => client.close());
  const link = await links.take();
  const large = { state: Buffer.alloc(FRAME_MAX - 100, 7) };
  for (let n = 0; n < 100; n++) client.send({ n });
  client.send(large);
  for (let n = 0; n < 100; n++) t.deepEqual(await events.take(), { n });
  t.is(((await events.take()) as typeof large).state.length, large.state.length);
  link.send({ back: true });
  t.deepEqual(await received.take(), { back: true });
  link.end();
  t.is(await received.take(), 'the other side closed it');
  t.false(client.send({}), 'a link that has ended says so');
});

test('whoever has another secret, or speaks no TLS, is refused with the reason', async (t) => {
  const { server, links, refused } = await serve(t);
  const other = Buffer.from('another secret, long enough too');
  await t.throwsAsync(connectLink(server.address, { secret: other, idleMs: 1000 }, quiet), {
    code: 'LINK_REFUSED',
    message: /the secrets of the two sides differ/,
  } as object);
  t.is(await refused.take(), 'the secrets of the two sides differ');
  const plain = connectTcp(server.address.port, server.address.host);
  plain.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await text(plain).catch(() => '');
  t.is(await refused.take(), 'the other side does not speak this protocol');
  const welcome = await connectLink(server.address, { secret, idleMs: 1000 }, quiet);
  t.truthy(await links.take(), 'and whoever has it is let in');
  welcome.close();
});

test('strangers that say nothing keep nobody out', async (t) => {
  const { server, links } = await serve(t);
  const idle = Array.from({ length: 400 }, () => connectTcp(server.address.port, server.address.host));
  t.teardown(async () => {
    for (const socket of idle) socket.destroy();
  });
  let left = 0;
  for (const socket of idle) {
    socket.on('error', () => {}).on('close', () => left++);
    socket.resume();
  }
  await Promise.all(idle.map((socket) => once(socket, 'connect')));
  const client = await connectLink(server.address, { secret, idleMs: 5000 }, quiet);
  t.teardown(() => client.close());
  t.truthy(await links.take());
  t.true(left < idle.length, 'it waits for no stranger that would leave by itself, after 5 s');
  // Those who have shown the secret are none of them: they stay, whoever comes.
  const more = Array.from({ length: 100 }, () => connectTcp(server.address.port, server.address.host));
  for (const socket of more) socket.on('error', () => {});
  await Promise.all(more.map((socket) => once(socket, 'connect')));
  for (const socket of more) socket.destroy();
  t.true(client.send({}));
});

test('nobody there is said in one line', async (t) => {
  const nowhere = { host: '127.0.0.1', port: 1 };
  const error = await t.throwsAsync(connectLink(nowhere, { secret, idleMs: 1000 }, quiet));
  t.regex(error.message, /^no link to the head at 127\.0\.0\.1:1: .*ECONNREFUSED/);
});

test('silence ends a link at its idle time, a message that makes no sense at once', async (t) => {
  const { server, links, events } = await serve(t, 300);
  const silent = await connectLink(server.address, { secret, idleMs: 60_000 }, quiet);
  t.teardown(() => silent.close());
  await links.take();
  t.is(await events.take(), 'broken: nothing was heard for 300 ms');
  const foolish = await connectLink(server.address, { secret, idleMs: 60_000 }, quiet);
  t.teardown(() => foolish.close());
  foolish.send('nonsense' as unknown as object);
  t.is(await events.take(), 'broken: that made no sense');
});

test('a frame that is too long, or no MessagePack, is refused as soon as that is known', (t) => {
  const long = Buffer.alloc(4);
  long.writeUInt32BE(FRAME_MAX + 1);
  t.throws(() => new FrameReader().push(long), { message: /a frame of \d+ bytes/ });
  t.throws(() => new FrameReader().push(Buffer.from([0, 0, 0, 2, 0x92, 1])), { message: /not MessagePack/ });
  t.throws(() => encodeFrame({ state: Buffer.alloc(FRAME_MAX) }), { message: /a message of \d+ bytes/ });
});

test('messages are the same however the stream is cut', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ n: fc.nat(), s: fc.string() }), { maxLength: 20 }),
      fc.infiniteStream(fc.integer({ min: 1, max: 40 })),
      (messages, cuts) => {
        const stream = Buffer.concat(messages.map(encodeFrame));
        const reader = new FrameReader();
        const got: unknown[] = [];
        for (let at = 0; at < stream.length; ) {
          const size = cuts.next().value!;
          got.push(...reader.push(stream.subarray(at, at + size)));
          at += size;
        }
        t.deepEqual(got, messages);
      },
    ),
  );
});

test('a secret is taken from a private file only', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'baton-secret-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'secret');
  const refuses = (message: RegExp): void =>
    void t.throws(() => readSecret(file), { code: 'SECRET_UNUSABLE', message } as object);
  refuses(/does not exist; run: .*openssl rand/);
  writeFileSync(file, 'x'.repeat(40), { mode: 0o644 });
  refuses(/can be read by others; run: chmod 600/);
  chmodSync(file, 0o600);
  t.is(readSecret(file).length, 40);
  writeFileSync(file, `  ${'y'.repeat(32)}\n`);
  t.is(readSecret(file).toString(), 'y'.repeat(32));
  writeFileSync(file, 'short');
  refuses(/must hold 16 to 512 bytes/);
  writeFileSync(file, 'z'.repeat(2000));
  refuses(/longer than 512 bytes/);
});

test('a file that is something else is left as it is', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'baton-secret-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const notes = join(folder, 'notes');
  writeFileSync(notes, 'several words\nand lines of them\n', { mode: 0o644 });
  const script = join(folder, 'script');
  writeFileSync(script, '#!/bin/sh\nexec true\n', { mode: 0o755 });
  const empty = join(folder, 'empty');
  writeFileSync(empty, '', { mode: 0o600 });
  for (const file of [
    '/etc/passwd',
    '/etc/hosts',
    '/etc/os-release',
    '/proc/self/status',
    notes,
    script,
    empty,
  ]) {
    const { message } = t.throws(() => readSecret(file), { code: 'SECRET_UNUSABLE' })!;
    t.false(/chmod|chown/.test(message), message);
    t.false(message.includes(`> ${file}`), message);
    t.regex(message, /openssl rand -hex 32 > baton\.secret/);
  }
});
