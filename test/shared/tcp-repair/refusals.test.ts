import { execFileSync } from 'node:child_process';
import type { ExecutionContext } from 'ava';
import { encodeSaved, type RefusalReason } from '../../../shared/tcp-repair/index.ts';
import { until } from '../../support/until.ts';
import { startAgent } from './support/agent.ts';
import type { HostMethods } from './support/host.ts';
import { type Opened, open, saveAtHead } from './support/migrate.ts';
import { netTest, segmentForFile, vip } from './support/segment.ts';

const segment = segmentForFile();

netTest('what is no TCP connection is not frozen', async (t) => {
  const { head } = segment;
  const { fd: listener } = await head.listen(vip.v4);
  const reasonOf = async (fd: number) => (await head.freeze(fd)).reason as RefusalReason;
  t.is(await reasonOf(listener), 'listening');
  for (const fd of [await head.eventFd(), await head.unixSocket(), 9999]) t.is(await reasonOf(fd), 'not-tcp');
  const connecting = await head.startConnecting();
  t.is(await reasonOf(connecting), 'connecting');
  await head.close(connecting);
  await head.close(listener);
});

netTest('a connection that this side has ended is not frozen, and ends as it would have', async (t) => {
  const { client, head } = segment;
  const opened = await open(segment);
  await head.finish(opened.fd);
  t.is((await head.freeze(opened.fd)).reason, 'closing');
  t.is(await client.ended(opened.client, 2000), 'end');
  await client.send(opened.client, Buffer.from('bye'));
  t.is(Buffer.from(await head.take(opened.fd, 3)).toString(), 'bye');
  await client.finish(opened.client);
  await until(
    'the end',
    () => head.takeOnce(opened.fd),
    (n) => n === 0,
  );
  t.is((await head.freeze(opened.fd)).reason, 'closed');
  await head.close(opened.fd);
  await client.close(opened.client);
});

netTest('a client that takes only tiny segments stays at the head', async (t) => {
  const { client, head } = segment;
  segment.setMtu(80 + 40 - 20);
  const opened = await open(segment);
  segment.steer('nobody');
  await head.freeze(opened.fd);
  t.is((await head.save(opened.fd)).reason, 'tiny-mss');
  await head.thaw(opened.fd);
  segment.steer('head');
  await head.put(opened.fd, Buffer.from('answer'));
  t.is((await client.received(opened.client, 6)).length, 6);
  await client.close(opened.client);
  await head.close(opened.fd);
});

netTest('a connection between link-local addresses stays on its host', async (t) => {
  const { client, head } = segment;
  const { fd: listener, port } = await head.listen('::');
  // Addresses become usable seconds after their network card (duplicate address detection).
  const id = await until(
    'a connection',
    () => client.open('fe80::ff:fe00:7702%eth0', port).catch(() => -1),
    (answer) => answer >= 0,
  );
  const fd = await head.accept(listener);
  await head.freeze(fd);
  t.is((await head.save(fd)).reason, 'link-local');
  await head.thaw(fd);
  await head.put(fd, Buffer.from('answer'));
  t.is((await client.received(id, 6)).length, 6);
  await client.close(id);
  await head.close(fd);
  await head.close(listener);
});

/** Prepares a saved connection where something is missing; nothing may be left, and the head goes on. */
async function refusedThere(
  t: ExecutionContext,
  reason: RefusalReason,
  spoil: (opened: Opened) => void | Promise<void>,
  fix: () => void = () => {},
): Promise<void> {
  const { client, head, delivery } = segment;
  const opened = await open(segment);
  const { message } = await saveAtHead(segment, opened);
  const files = await delivery.openFiles();
  try {
    await spoil(opened);
    const answer = await delivery.prepare(message);
    t.is(answer.reason, reason, answer.text);
  } finally {
    fix();
  }
  t.is(await delivery.openFiles(), files);
  await head.thaw(opened.fd);
  segment.steer('head');
  await head.put(opened.fd, Buffer.from('answer'));
  t.is((await client.received(opened.client, 6)).length, 6);
  await client.close(opened.client);
  await head.close(opened.fd);
}

const onDelivery = (command: string) => () =>
  void execFileSync('ip', ['-n', segment.namespaces.delivery, ...command.split(' ')]);

netTest('a delivery without the VIP says so', async (t) => {
  const address = `${vip.v4}/32 dev lo`;
  await refusedThere(
    t,
    'address-not-here',
    onDelivery(`addr del ${address}`),
    onDelivery(`addr add ${address}`),
  );
});

netTest('a delivery without a route to the client says so', async (t) => {
  const route = 'route del 10.77.0.0/24';
  await refusedThere(t, 'no-route', onDelivery(route), onDelivery(`${route} dev eth0`.replace('del', 'add')));
});

netTest('a connection that is already there is not restored again', async (t) => {
  const { client, head, delivery } = segment;
  const opened = await open(segment);
  const { message } = await saveAtHead(segment, opened);
  const first = await delivery.prepare(message);
  const files = await delivery.openFiles();
  t.is((await delivery.prepare(message)).reason, 'connection-exists');
  t.is(await delivery.openFiles(), files);
  await delivery.abandon(first.handle);
  const again = await delivery.prepare(message);
  t.is(again.reason, '');
  await delivery.abandon(again.handle);
  await head.reset(opened.fd);
  await client.close(opened.client);
});

netTest('a state that makes no sense to the kernel is refused', async (t) => {
  const { client, head, delivery } = segment;
  const opened = await open(segment);
  const { state } = await saveAtHead(segment, opened);
  const files = await delivery.openFiles();
  const window = { ...state.window, sendWindow: 10, sendWindowMax: 9 };
  const answer = await delivery.prepare(encodeSaved({ ...state, window }));
  t.is(answer.reason, 'kernel-refused');
  t.regex(answer.text, /TCP_REPAIR_WINDOW: EINVAL/);
  t.is(await delivery.openFiles(), files);
  t.is(await delivery.sockets(opened.port), 0);
  await head.reset(opened.fd);
  await client.close(opened.client);
});

/** A host without that capability. */
const without = (namespace: string, capability: string) =>
  startAgent<HostMethods>(namespace, 'host.ts', ['setpriv', `--bounding-set=-${capability}`]);

netTest(
  'without CAP_NET_ADMIN nothing is frozen or restored, and the process knows beforehand',
  async (t) => {
    const { client, head, namespaces } = segment;
    t.is(await head.canRepair(), 'yes');
    const weak = await without(namespaces.head, 'net_admin');
    try {
      t.is(await weak.canRepair(), 'no-privilege');
      const { fd: listener, port } = await weak.listen(vip.v4);
      const [id, fd] = await Promise.all([client.open(vip.v4, port), weak.accept(listener)]);
      const answer = await weak.freeze(fd);
      t.is(answer.reason, 'no-privilege');
      t.regex(answer.text, /CAP_NET_ADMIN.*TCP_REPAIR: EPERM/);
      t.is((await weak.freeze(listener)).reason, 'listening');
      await weak.put(fd, Buffer.from('answer'));
      t.is((await client.received(id, 6)).length, 6);
      await client.close(id);

      const opened = await open(segment);
      const { message } = await saveAtHead(segment, opened);
      t.is((await weak.prepare(message)).reason, 'no-privilege');
      await head.reset(opened.fd);
      await client.close(opened.client);
    } finally {
      await weak.stop();
    }
  },
);

netTest('without CAP_NET_BIND_SERVICE a low port is not restored', async (t) => {
  const { client, head, namespaces } = segment;
  const weak = await without(namespaces.delivery, 'net_bind_service');
  try {
    const { fd: listener } = await head.listen(vip.v4, 80);
    const [id, fd] = await Promise.all([client.open(vip.v4, 80), head.accept(listener)]);
    const { message } = await saveAtHead(segment, { client: id, fd, port: 80, listener });
    t.is((await weak.prepare(message)).reason, 'port-forbidden');
    await head.reset(fd);
    await client.close(id);
    await head.close(listener);
  } finally {
    await weak.stop();
  }
});
