/** An application finds the ends of a connection under the same names, wherever it serves it. */
import { migrate } from './support/migrate.ts';
import { netTest, segmentForFile, vip } from './support/segment.ts';

const segment = segmentForFile();

for (const [what, host, names] of [
  [
    'an IPv4 client of a dual-stack listener',
    '::',
    { remoteAddress: '::ffff:10.77.0.1', remoteFamily: 'IPv6', localAddress: '::ffff:10.77.0.100' },
  ],
  [
    'an IPv4 client of an IPv4 listener',
    vip.v4,
    { remoteAddress: '10.77.0.1', remoteFamily: 'IPv4', localAddress: '10.77.0.100' },
  ],
] as const) {
  netTest(`${what} has the same addresses after a move`, async (t) => {
    const { client, head, delivery } = segment;
    const { fd: listener, port } = await head.listen(host);
    const [id, fd] = await Promise.all([client.open(vip.v4, port), head.accept(listener)]);
    const { fd: moved, state } = await migrate(segment, { client: id, fd, port, listener });
    t.deepEqual([...state.server.address], [10, 77, 0, 100], 'what it is steered by does not change');
    await delivery.put(moved, Buffer.from('answer'));
    t.is((await client.received(id, 6)).length, 6);
    t.deepEqual(await delivery.names(moved), names);
    await client.close(id);
    await delivery.close(moved);
    await head.close(listener);
  });
}
