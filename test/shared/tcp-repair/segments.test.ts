import { migrate, open } from './support/migrate.ts';
import { digestOf, pattern } from './support/pattern.ts';
import { type Family, netTest, segmentForFile } from './support/segment.ts';

const segment = segmentForFile();
const LENGTH = 3_000_000;

for (const [mtu, family] of [
  [576, 'v4'],
  [777, 'v4'],
  [1280, 'v6'],
  [1499, 'v6'],
  [1500, 'v4'],
  [9000, 'v4'],
  [9000, 'v6'],
] as [number, Family][]) {
  for (const timestamps of [0, 1]) {
    const also = timestamps ? 'with' : 'without';
    netTest(`segments stay full at an MTU of ${mtu}, IP${family} ${also} timestamps`, async (t) => {
      segment.setMtu(mtu);
      segment.sysctl({ 'net.ipv4.tcp_timestamps': timestamps });
      const { client, head, delivery } = segment;
      const opened = await open(segment, family);
      const full = (await head.info(opened.fd)).sendMss;
      const headers = (family === 'v4' ? 40 : 60) + (timestamps ? 12 : 0);
      t.is(full, mtu - headers);
      const { fd, state } = await migrate(segment, opened);
      t.is(state.mss, mtu - (family === 'v4' ? 40 : 60));

      const before = await client.counters();
      const [answer] = await Promise.all([
        client.received(opened.client, LENGTH),
        delivery.answer(fd, 1, LENGTH),
      ]);
      t.is(answer.digest, digestOf(pattern(1, LENGTH)));
      const after = await client.counters();
      // Each of what one GSO packet carries counts (net/ipv4/tcp_ipv4.c, TCP_MIB_INSEGS).
      const segments = after.TcpInSegs! - before.TcpInSegs!;
      t.true(
        segments <= (LENGTH / full) * 1.02 + 20,
        `${segments} segments, full ones were ${LENGTH / full}`,
      );
      await client.close(opened.client);
      await delivery.close(fd);
    });
  }
}
