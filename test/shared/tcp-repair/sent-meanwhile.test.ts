/** A client that acknowledges a part of its answer while the connection is frozen: what the kernel sends for that is saved as sent. */
import test from 'ava';
import { decodeSaved } from '../../../shared/tcp-repair/index.ts';
import { until } from '../../support/until.ts';
import { type Agent, startAgent } from './support/agent.ts';
import { pattern } from './support/pattern.ts';
import { ACK } from './support/raw-segments.ts';
import type { RawMethods } from './support/raw-tcp.ts';
import { netTest, segmentForFile, vip } from './support/segment.ts';

const segment = segmentForFile();
let raw: Agent<RawMethods>;
test.serial.before(async () => {
  if (segment.namespaces) raw = await startAgent<RawMethods>(segment.namespaces.bridge, 'raw-tcp.ts');
});
test.serial.after.always(() => raw?.stop());

const LENGTH = 50_000;

// A copy that took it for unsent would drop what acknowledges it, and never go on.
netTest('what leaves between the freeze and the save is not taken for unsent', async (t) => {
  const { head } = segment;
  const { fd: listener, port } = await head.listen(vip.v4);
  const options = { mss: 1460, sack: false, timestamps: false, scale: null, ecn: false };
  const [id, fd] = await Promise.all([raw.open('v4', port, options), head.accept(listener)]);
  await raw.mute(id);
  t.is(await head.put(fd, pattern(1, LENGTH)), LENGTH);
  const { unsent } = await head.info(fd);
  const hadLeft = LENGTH - unsent;
  t.true(hadLeft > 10_000 && unsent > 10_000, `${unsent}`);
  const hasCome = async () => (await raw.state(id)).length;
  await until('it has come', hasCome, (length) => length === hadLeft);
  t.is((await head.freeze(fd)).reason, '');
  await raw.bare(id, ACK, { ackedBytes: 2920 });
  await until('more comes', hasCome, (length) => length > hadLeft);
  const { reason, message } = await head.save(fd);
  t.is(reason, '');
  const saved = decodeSaved(message);
  t.is(saved.sent.length + saved.unsent.length, LENGTH - 2920);
  const come = await hasCome();
  t.true(
    come <= LENGTH - saved.unsent.length,
    `${come} have come, ${saved.unsent.length} unsent of ${LENGTH}`,
  );
  await head.thaw(fd);
  await raw.forget(id);
  await head.close(fd);
});
