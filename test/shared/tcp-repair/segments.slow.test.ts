import { execFileSync } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
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
      const { client, head, delivery, namespaces } = segment;
      // Without offloading every segment is a packet of its own, and counted.
      execFileSync('ip', ['-n', namespaces.delivery, 'link', 'set', 'eth0', 'gso_max_segs', '1']);
      const opened = await open(segment, family);
      const full = (await head.info(opened.fd)).sendMss;
      const headers = (family === 'v4' ? 40 : 60) + (timestamps ? 12 : 0);
      t.is(full, mtu - headers);
      const { fd, state } = await migrate(segment, opened);
      t.is(state.mss, mtu - (family === 'v4' ? 40 : 60));

      // A client that reads late, on a busy machine, is sent the last segment again as a probe (RFC 8985 section 7): that
      // one says nothing about how the bytes were cut.
      const counted = async () =>
        (await client.counters()).TcpInSegs! - (await delivery.counters()).TcpRetransSegs!;
      // The answer to the window probe comes first, on a busy machine late.
      let start = -1;
      for (let count = await counted(); count !== start; count = await counted()) {
        start = count;
        await delay(50);
      }
      // Fits into the first congestion window (10 segments, RFC 6928).
      const burst = pattern(1, 8 * full);
      t.is(await delivery.put(fd, burst), burst.length);
      await client.received(opened.client, burst.length);
      t.is((await counted()) - start, 8);

      const began = await counted();
      const [answer] = await Promise.all([
        client.received(opened.client, burst.length + LENGTH),
        delivery.answer(fd, 2, LENGTH),
      ]);
      t.is(answer.digest, digestOf(burst, pattern(2, LENGTH)));
      // A window that is almost full makes short segments, the more the faster the two hosts are.
      const segments = (await counted()) - began;
      t.true(segments <= (LENGTH / full) * 1.5 + 20, `${segments} segments, full ones were ${LENGTH / full}`);
      await client.close(opened.client);
      await delivery.close(fd);
    });
  }
}
