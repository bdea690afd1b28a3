import { migrate, open } from './support/migrate.ts';
import { digestOf, pattern } from './support/pattern.ts';
import { type Family, netTest, segmentForFile } from './support/segment.ts';

const segment = segmentForFile();
const MEGABYTES_10 = 10 * 1024 * 1024;

for (const family of ['v4', 'v6'] as Family[]) {
  for (let mask = 0; mask < 8; mask++) {
    const timestamps = mask & 1;
    const sack = (mask >> 1) & 1;
    const scaling = (mask >> 2) & 1;
    const named = [timestamps && 'timestamps', sack && 'SACK', scaling && 'window scaling'].filter(Boolean);
    netTest(
      `IP${family} with ${named.join(', ') || 'no options'}: 10 MB each way after the move`,
      async (t) => {
        segment.sysctl({
          'net.ipv4.tcp_timestamps': timestamps,
          'net.ipv4.tcp_sack': sack,
          'net.ipv4.tcp_window_scaling': scaling,
        });
        const { client, head, delivery } = segment;
        const opened = await open(segment, family);
        await client.send(opened.client, Buffer.from('GET /'));
        await head.take(opened.fd, 5);
        const before = await client.counters();
        const { fd, state } = await migrate(segment, opened);
        t.is(state.timestamp !== null, timestamps === 1);
        t.is(state.sack, sack === 1);
        t.is(state.peerScale > 0, scaling === 1);

        const began = performance.now();
        const [answer] = await Promise.all([
          client.received(opened.client, MEGABYTES_10),
          delivery.answer(fd, mask, MEGABYTES_10),
        ]);
        t.deepEqual(answer, { length: MEGABYTES_10, digest: digestOf(pattern(mask, MEGABYTES_10)), end: '' });
        const [upload] = await Promise.all([
          delivery.digest(fd, MEGABYTES_10),
          client.sendPattern(opened.client, 100 + mask, MEGABYTES_10),
        ]);
        t.deepEqual(upload, { length: MEGABYTES_10, digest: digestOf(pattern(100 + mask, MEGABYTES_10)) });
        t.log(`${Math.round(performance.now() - began)} ms`);

        const now = await delivery.info(fd);
        t.is(now.timestamps, timestamps === 1);
        t.is(now.sack, sack === 1);
        const after = await client.counters();
        t.is(after.TcpExtPAWSEstab, before.TcpExtPAWSEstab, 'no answer looked too old');
        await delivery.finish(fd);
        t.is(await client.ended(opened.client, 2000), 'end');
        await client.close(opened.client);
        await delivery.close(fd);
      },
    );
  }
}
