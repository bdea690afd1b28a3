import { setTimeout as delay } from 'node:timers/promises';
import { until } from '../../support/until.ts';
import { migrate, open, saveAtHead } from './support/migrate.ts';
import { digestOf, pattern } from './support/pattern.ts';
import { netTest, segmentForFile, vip } from './support/segment.ts';

const segment = segmentForFile();

netTest('a thawed connection goes on where it was, with what arrived meanwhile', async (t) => {
  const { client, head } = segment;
  const opened = await open(segment);
  await client.send(opened.client, pattern(1, 1000));
  await until(
    'input',
    () => head.unread(opened.fd),
    (unread) => unread === 1000,
  );
  await saveAtHead(segment, opened);
  await client.send(opened.client, pattern(2, 1000));
  await head.thaw(opened.fd);
  segment.steer('head');
  t.is((await head.digest(opened.fd, 2000)).digest, digestOf(pattern(1, 1000), pattern(2, 1000)));
  const [answer] = await Promise.all([
    client.received(opened.client, 2_000_000),
    head.answer(opened.fd, 3, 2_000_000),
  ]);
  t.is(answer.digest, digestOf(pattern(3, 2_000_000)));
  await client.close(opened.client);
  await head.close(opened.fd);
});

netTest('a half-closed connection can be thawed', async (t) => {
  const { client, head } = segment;
  const opened = await open(segment);
  await client.finish(opened.client);
  await until(
    'the FIN',
    () => head.info(opened.fd),
    ({ state }) => state === 'close-wait',
  );
  await saveAtHead(segment, opened);
  await head.thaw(opened.fd);
  segment.steer('head');
  t.is(await head.takeOnce(opened.fd), 0);
  await head.put(opened.fd, Buffer.from('answer'));
  t.is((await client.received(opened.client, 6)).length, 6);
  await head.close(opened.fd);
  t.is(await client.ended(opened.client, 2000), 'end');
  await client.close(opened.client);
});

netTest('a silent close sends nothing and leaves no socket behind', async (t) => {
  const { client, head } = segment;
  const opened = await open(segment);
  await client.send(opened.client, Buffer.from('unread input would cause a reset'));
  await until(
    'input',
    () => head.unread(opened.fd),
    (unread) => unread > 0,
  );
  await saveAtHead(segment, opened);
  await delay(100);
  const before = await head.counters();
  const files = await head.openFiles();
  await head.closeSilently(opened.fd);
  await delay(300);
  const after = await head.counters();
  t.is(after.TcpOutSegs, before.TcpOutSegs);
  t.is(after.TcpOutRsts, before.TcpOutRsts);
  t.is(await head.openFiles(), files - 1);
  // The listener.
  t.is(await head.sockets(opened.port), 1);
  t.is(await client.ended(opened.client, 0), '');
  await client.close(opened.client);
});

netTest('a reset tells the client', async (t) => {
  const { client, head } = segment;
  const opened = await open(segment);
  await saveAtHead(segment, opened);
  await head.reset(opened.fd);
  t.is(await client.ended(opened.client, 2000), 'ECONNRESET');
  await client.close(opened.client);
});

netTest('what is prepared and abandoned leaves no socket, no file and no packet', async (t) => {
  const { client, head, delivery } = segment;
  const opened = await open(segment);
  const { message } = await saveAtHead(segment, opened);
  const files = await delivery.openFiles();
  const before = await delivery.counters();
  const { handle } = await delivery.prepare(message);
  await delivery.abandon(handle);
  t.is(await delivery.openFiles(), files);
  t.is(await delivery.sockets(opened.port), 0);
  t.is((await delivery.counters()).TcpOutSegs, before.TcpOutSegs);
  await head.thaw(opened.fd);
  segment.steer('head');
  await head.put(opened.fd, Buffer.from('answer'));
  t.is((await client.received(opened.client, 6)).length, 6);
  await client.close(opened.client);
  await head.close(opened.fd);
});

netTest('each step is taken once and in order; anything else throws', async (t) => {
  const { client, head, delivery } = segment;
  const thrown = async (call: Promise<unknown>, message: RegExp) => t.throwsAsync(call, { message });
  const opened = await open(segment);
  segment.steer('nobody');
  await head.freeze(opened.fd);
  await thrown(head.closeSilently(opened.fd), /closeSilently of a connection that is frozen/);
  const { message } = await head.save(opened.fd);
  await thrown(head.save(opened.fd), /save of a connection that is saved/);
  await head.thaw(opened.fd);
  for (const call of ['save', 'thaw', 'closeSilently', 'reset'] as const)
    await thrown(head[call](opened.fd), new RegExp(`${call} of a connection that is over`));
  const { handle } = await delivery.prepare(message);
  await delivery.abandon(handle);
  await thrown(delivery.activate(handle), /activate of a prepared connection that is over/);
  await thrown(delivery.abandon(handle), /abandon of a prepared connection that is over/);
  await client.close(opened.client);
  await head.close(opened.fd);
});

netTest('a packet that arrives in spite of the hold is noticed', async (t) => {
  const { client, head } = segment;
  const opened = await open(segment);
  await head.freeze(opened.fd);
  await client.send(opened.client, Buffer.from('early'));
  await delay(50);
  t.is((await head.save(opened.fd)).reason, 'changing');
  await head.thaw(opened.fd);

  await head.freeze(opened.fd);
  t.is((await head.save(opened.fd)).reason, '');
  t.true(await head.isUnchanged(opened.fd));
  await client.send(opened.client, Buffer.from('late'));
  await delay(50);
  t.false(await head.isUnchanged(opened.fd));
  await head.thaw(opened.fd);

  await head.freeze(opened.fd);
  t.is((await head.save(opened.fd)).reason, '');
  await client.finish(opened.client);
  await delay(50);
  t.false(await head.isUnchanged(opened.fd));
  await head.thaw(opened.fd);
  t.is(Buffer.from(await head.take(opened.fd, 9)).toString(), 'earlylate');
  await client.close(opened.client);
  await head.close(opened.fd);
});

netTest('neither a thawed nor a moved connection keeps a listener from its port', async (t) => {
  const { client, head, delivery } = segment;
  const moved = await open(segment);
  const { fd } = await migrate(segment, moved);
  t.true(await delivery.canListen(vip.v4, moved.port));
  t.true(await delivery.canListen('0.0.0.0', moved.port));
  segment.steer('head');
  const thawed = await open(segment);
  await head.freeze(thawed.fd);
  await head.thaw(thawed.fd);
  await head.close(thawed.listener);
  t.true(await head.canListen(vip.v4, thawed.port));
  for (const { client: id } of [moved, thawed]) await client.close(id);
  await head.close(thawed.fd);
  await delivery.close(fd);
});

netTest('the new socket is non-blocking, and a delivery that listens there keeps its listener', async (t) => {
  const { client, delivery } = segment;
  const opened = await open(segment);
  const { fd: listener } = await delivery.listen(vip.v4, opened.port);
  const { fd } = await migrate(segment, opened);
  t.is(await delivery.takeOnce(fd), -11);
  await client.send(opened.client, Buffer.from('request'));
  t.is(Buffer.from(await delivery.take(fd, 7)).toString(), 'request');
  await client.close(opened.client);
  await delivery.close(fd);
  await delivery.close(listener);
});

netTest('an IPv4 connection of a dual-stack listener moves as IPv4', async (t) => {
  const { client, head, delivery } = segment;
  const { fd: listener, port } = await head.listen('::');
  const [id, fd] = await Promise.all([client.open(vip.v4, port), head.accept(listener)]);
  const moved = await migrate(segment, { client: id, fd, port, listener });
  t.deepEqual([...moved.state.server.address], [10, 77, 0, 100]);
  t.deepEqual([...moved.state.client.address], [10, 77, 0, 1]);
  t.is(moved.state.client.port, await client.localPort(id));
  const [answer] = await Promise.all([client.received(id, 100_000), delivery.answer(moved.fd, 1, 100_000)]);
  t.is(answer.digest, digestOf(pattern(1, 100_000)));
  await client.close(id);
  await delivery.close(moved.fd);
  await head.close(listener);
});
