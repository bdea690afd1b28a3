/** A client whose window is smaller than a segment. */
import { migrate, open } from './support/migrate.ts';
import { digestOf, pattern } from './support/pattern.ts';
import { type Family, netTest, segmentForFile } from './support/segment.ts';

const segment = segmentForFile();
const LENGTH = 100_000;

for (const family of ['v4', 'v6'] as Family[]) {
  netTest(`IP${family}: a client with a small window is not made to wait for a larger one`, async (t) => {
    segment.sysctl({ 'net.ipv4.tcp_rmem': '2304 2304 2304' });
    const { client, delivery } = segment;
    const opened = await open(segment, family);
    const { fd, state } = await migrate(segment, opened);
    t.true(state.window.sendWindowMax < 2 * state.mss, JSON.stringify(state.window));
    const began = performance.now();
    const [answer] = await Promise.all([
      client.received(opened.client, LENGTH),
      delivery.answer(fd, 1, LENGTH),
    ]);
    const took = performance.now() - began;
    t.deepEqual(answer, { length: LENGTH, digest: digestOf(pattern(1, LENGTH)), end: '' });
    // Each segment that waits for the window waits 200 ms: 18 s.
    t.true(took < 4000, `${took} ms`);
    await client.close(opened.client);
    await delivery.close(fd);
  });
}
