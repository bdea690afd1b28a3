import { setTimeout as delay } from 'node:timers/promises';
import { until } from '../../support/until.ts';
import { migrate, open, saveAtHead } from './support/migrate.ts';
import { digestOf, pattern } from './support/pattern.ts';
import { type Family, netTest, segmentForFile, vip } from './support/segment.ts';

const segment = segmentForFile();
/**
 * For a client that must not have room for all that is sent: without it the kernel may make room, read or not
 * (net/ipv4/tcp_input.c, tcp_clamp_window).
 */
const littleRoom = { 'net.ipv4.tcp_rmem': '4096 131072 131072' };
const families = Object.keys(vip) as Family[];

for (const family of families) {
  netTest(`a request that nobody has read is there after the move, IP${family}`, async (t) => {
    const { client, delivery } = segment;
    const opened = await open(segment, family);
    const request = pattern(1, 50_000);
    await client.send(opened.client, request);
    await untilUnread(opened.fd, request.length);
    const { fd, state } = await migrate(segment, opened);
    t.is(state.received.length, request.length);
    t.deepEqual(await delivery.digest(fd, request.length), {
      length: request.length,
      digest: digestOf(request),
    });
    await client.close(opened.client);
    await delivery.close(fd);
  });

  netTest(`what was read stays read, and the rest follows in order, IP${family}`, async (t) => {
    const { client, head, delivery } = segment;
    const opened = await open(segment, family);
    const request = pattern(2, 30_000);
    await client.send(opened.client, request);
    await untilUnread(opened.fd, request.length);
    t.deepEqual(Buffer.from(await head.take(opened.fd, 12_345)), request.subarray(0, 12_345));
    const { fd } = await migrate(segment, opened);
    await client.send(opened.client, pattern(3, 5000));
    t.deepEqual(
      Buffer.from(await delivery.take(fd, 30_000 - 12_345 + 5000)),
      Buffer.concat([request.subarray(12_345), pattern(3, 5000)]),
    );
    await client.close(opened.client);
    await delivery.close(fd);
  });

  netTest(
    `a reader that has stopped gets all that was sent to it and all that was not, IP${family}`,
    async (t) => {
      const { client, delivery } = segment;
      segment.sysctl(littleRoom);
      const opened = await open(segment, family);
      await client.read(opened.client, false);
      const answer = pattern(4, 4_000_000);
      const put = await fillUp(opened.fd, answer);
      const { fd, state } = await migrate(segment, opened);
      t.true(state.unsent.length > 0);
      t.is((await delivery.info(fd)).unsent > 0, true);
      await client.read(opened.client, true);
      t.deepEqual(await client.received(opened.client, put), {
        length: put,
        digest: digestOf(answer.subarray(0, put)),
        end: '',
      });
      const [more] = await Promise.all([
        client.received(opened.client, put + 1_000_000),
        delivery.answer(fd, 5, 1_000_000),
      ]);
      t.is(more.digest, digestOf(answer.subarray(0, put), pattern(5, 1_000_000)));
      await client.close(opened.client);
      await delivery.close(fd);
    },
  );

  netTest(`bytes that were on their way when the flow was held are sent again, IP${family}`, async (t) => {
    const { client, head, delivery } = segment;
    const opened = await open(segment, family);
    // The client's acknowledgments are lost: to the head, all of it stays sent and unacknowledged.
    segment.steer('nobody');
    const answer = pattern(6, 10_000);
    t.is(await head.put(opened.fd, answer), answer.length);
    await client.received(opened.client, answer.length);
    const began = performance.now();
    const { fd, state } = await migrate(segment, opened);
    t.is(state.sent.length, answer.length);
    t.is(state.unsent.length, 0);
    const [all] = await Promise.all([client.received(opened.client, 60_000), delivery.answer(fd, 7, 50_000)]);
    t.deepEqual(all, { length: 60_000, digest: digestOf(answer, pattern(7, 50_000)), end: '' });
    const { TcpExtTCPTimeouts: timeouts } = await delivery.counters();
    const took = performance.now() - began;
    // The window probe has told the delivery at once that the client has them, where others leave this the processors: the
    // kernel's own timer is due after 200 ms.
    t.true(timeouts === 0 || took > 200, `${timeouts} timeouts, ${took.toFixed(0)} ms`);
    await client.close(opened.client);
    await delivery.close(fd);
  });

  netTest(
    `a client that has half-closed gets its answer, and the delivery sees the end, IP${family}`,
    async (t) => {
      const { client, head, delivery } = segment;
      const opened = await open(segment, family);
      const request = pattern(8, 3000);
      await client.send(opened.client, request);
      await client.finish(opened.client);
      await until(
        'the FIN',
        () => head.info(opened.fd),
        ({ state }) => state === 'close-wait',
      );
      await head.take(opened.fd, 1000);
      const { fd, state } = await migrate(segment, opened);
      t.true(state.inputEnded);
      t.deepEqual(Buffer.from(await delivery.take(fd, 2000)), request.subarray(1000));
      t.is(await delivery.takeOnce(fd), 0);
      const [answer] = await Promise.all([
        client.received(opened.client, 1_000_000),
        delivery.answer(fd, 9, 1_000_000),
      ]);
      t.is(answer.digest, digestOf(pattern(9, 1_000_000)));
      await delivery.close(fd);
      t.is(await client.ended(opened.client, 20_000), 'end');
      const counters = await client.counters();
      t.is(counters.TcpEstabResets, 0);
      await client.close(opened.client);
    },
  );
}

netTest('a connection that has moved can move again, its half-closed state too', async (t) => {
  const { client, head, delivery } = segment;
  const opened = await open(segment);
  await client.send(opened.client, Buffer.from('request'));
  await client.finish(opened.client);
  await until(
    'the FIN',
    () => head.info(opened.fd),
    ({ state }) => state === 'close-wait',
  );
  const { fd } = await migrate(segment, opened);
  segment.steer('nobody');
  await delivery.freeze(fd);
  const { message } = await delivery.save(fd);
  const { handle } = await head.prepare(message);
  await delivery.closeSilently(fd);
  segment.steer('head');
  const back = await head.activate(handle);
  t.is(Buffer.from(await head.take(back, 7)).toString(), 'request');
  t.is(await head.takeOnce(back), 0);
  await head.put(back, Buffer.from('answer'));
  t.is((await client.received(opened.client, 6)).digest, digestOf(Buffer.from('answer')));
  await head.close(back);
  t.is(await client.ended(opened.client, 20_000), 'end');
  await client.close(opened.client);
});

netTest('a delivery that closes a half-closed connection has forgotten it seconds later', async (t) => {
  const { client, head, delivery } = segment;
  const opened = await open(segment);
  await client.finish(opened.client);
  await until(
    'the FIN',
    () => head.info(opened.fd),
    ({ state }) => state === 'close-wait',
  );
  const { fd } = await migrate(segment, opened);
  await delivery.close(fd);
  t.is(await client.ended(opened.client, 20_000), 'end');
  await until(
    'no socket',
    () => delivery.sockets(opened.port),
    (count) => count === 0,
    20_000,
  );
  await client.close(opened.client);
});

netTest('bytes sent while the flow is held arrive once it is dropped', async (t) => {
  const { client, delivery } = segment;
  const opened = await open(segment);
  segment.steer('nobody');
  await client.send(opened.client, pattern(10, 20_000));
  const { fd, state } = await migrate(segment, opened);
  t.is(state.received.length, 0);
  t.is((await delivery.digest(fd, 20_000)).digest, digestOf(pattern(10, 20_000)));
  await client.close(opened.client);
  await delivery.close(fd);
});

netTest('queues of almost a megabyte travel', async (t) => {
  const { client, head, delivery } = segment;
  const opened = await open(segment);
  // The head's window opens only as it reads.
  const upload = pattern(11, 9_000_000);
  await Promise.all([client.sendPattern(opened.client, 11, 9_000_000), head.take(opened.fd, 8_000_000)]);
  await until(
    'the rest',
    () => head.unread(opened.fd),
    (unread) => unread >= 900_000,
  );
  const { fd, state } = await migrate(segment, opened);
  t.true(state.received.length >= 900_000);
  t.is((await delivery.digest(fd, 1_000_000)).digest, digestOf(upload.subarray(8_000_000)));
  await client.close(opened.client);
  await delivery.close(fd);
});

netTest('queues of more than a megabyte are refused, and the connection goes on', async (t) => {
  const { client, head } = segment;
  const opened = await open(segment);
  const upload = pattern(11, 20_000_000);
  await Promise.all([client.sendPattern(opened.client, 11, 20_000_000), head.take(opened.fd, 18_000_000)]);
  await until(
    'the rest',
    () => head.unread(opened.fd),
    (unread) => unread > 1 << 20,
  );
  await head.freeze(opened.fd);
  t.is((await head.save(opened.fd)).reason, 'receive-queue-too-large');
  await head.thaw(opened.fd);
  t.is((await head.digest(opened.fd, 2_000_000)).digest, digestOf(upload.subarray(18_000_000)));

  await client.read(opened.client, false);
  const answer = pattern(12, 30_000_000);
  await head.sendBuffer(opened.fd, 8_000_000);
  const writing = head.answer(opened.fd, 12, answer.length);
  await until(
    'a full queue',
    () => head.unacknowledged(opened.fd),
    (bytes) => bytes > 1 << 20,
  );
  await head.freeze(opened.fd);
  t.is((await head.save(opened.fd)).reason, 'send-queue-too-large');
  await head.thaw(opened.fd);
  await client.read(opened.client, true);
  t.is((await client.received(opened.client, answer.length)).digest, digestOf(answer));
  await writing;
  await client.close(opened.client);
  await head.close(opened.fd);
});

netTest('a prepared connection sends nothing, however much waits in it', async (t) => {
  const { client, head, delivery } = segment;
  segment.sysctl(littleRoom);
  const opened = await open(segment);
  await client.read(opened.client, false);
  await fillUp(opened.fd, pattern(13, 3_000_000));
  const { message, state } = await saveAtHead(segment, opened);
  t.true(state.unsent.length > 0);
  await client.read(opened.client, true);
  const out = (await delivery.counters()).TcpOutSegs;
  const { handle } = await delivery.prepare(message);
  // Less than the kernel waits before it asks a client whom it knows whether it lives (200 ms and some round trips).
  await delay(100);
  await delivery.abandon(handle);
  t.is((await delivery.counters()).TcpOutSegs, out);
  // The head's kernel asks for the client's window while its connection is frozen, but not after it.
  await head.closeSilently(opened.fd);
  const before = await client.segmentsIn(opened.client);
  await delay(300);
  t.is(await client.segmentsIn(opened.client), before);
  await client.close(opened.client);
});

const untilUnread = (fd: number, length: number) =>
  until(
    'input',
    () => segment.head.unread(fd),
    (unread) => unread === length,
  );

/** Writes until the kernel takes no more; how much it took. */
async function fillUp(fd: number, bytes: Buffer): Promise<number> {
  let put = 0;
  for (let idle = 0; idle < 3; ) {
    // An IPC message carries at most this much comfortably.
    const n = await segment.head.put(fd, bytes.subarray(put, put + 100_000));
    put += n;
    idle = n === 0 ? idle + 1 : 0;
    if (n === 0) await delay(50);
    if (put >= 900_000) break;
  }
  return put;
}
