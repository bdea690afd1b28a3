import { setTimeout as delay } from 'node:timers/promises';
import { migrate, open } from './support/migrate.ts';
import { digestOf, pattern } from './support/pattern.ts';
import { type Family, netTest, segmentForFile, vip } from './support/segment.ts';

const segment = segmentForFile();
const LENGTH = 10 * 1024 * 1024;

for (const family of Object.keys(vip) as Family[]) {
  netTest(`moved in the middle of an upload, several times over, IP${family}`, async (t) => {
    const { client, head, delivery } = segment;
    for (let round = 0; round < 5; round++) {
      segment.steer('head');
      const opened = await open(segment, family);
      const sending = client.sendPattern(opened.client, round, LENGTH);
      const first = Buffer.from(await head.take(opened.fd, 20_000 + round * 12_345));
      const { fd, state } = await migrate(segment, opened);
      const taken = first.length;
      const all = pattern(round, LENGTH);
      t.is(digestOf(first), digestOf(all.subarray(0, taken)));
      t.true(state.received.length > 0);
      const rest = await delivery.digest(fd, LENGTH - taken);
      t.deepEqual(rest, { length: LENGTH - taken, digest: digestOf(all.subarray(taken)) });
      await sending;
      await client.close(opened.client);
      await delivery.close(fd);
    }
  });

  netTest(`moved in the middle of an answer, several times over, IP${family}`, async (t) => {
    const { client, head, delivery } = segment;
    for (let round = 0; round < 5; round++) {
      segment.steer('head');
      const opened = await open(segment, family);
      const all = pattern(round, LENGTH);
      let put = await head.put(opened.fd, all.subarray(0, 50_000 + round * 10_000));
      // The client's acknowledgments no longer come: of what follows some is sent, and some waits.
      segment.steer('nobody');
      put += await head.put(opened.fd, all.subarray(put, put + 400_000));
      await delay(round);
      const { fd, state } = await migrate(segment, opened);
      t.true(state.sent.length > 0);
      const [answer] = await Promise.all([
        client.received(opened.client, put + LENGTH),
        delivery.answer(fd, 99, LENGTH),
      ]);
      t.deepEqual(answer, {
        length: put + LENGTH,
        digest: digestOf(all.subarray(0, put), pattern(99, LENGTH)),
        end: '',
      });
      await client.close(opened.client);
      await delivery.close(fd);
    }
  });
}
