/** A delivery whose language writes integers in 64 bits, and that answers as it likes: PROTOCOL.md allows both. */
import test from 'ava';
import { pack } from 'msgpackr';
import { closeFd } from '../../shared/sys/sockets.ts';
import { ENDED, RETURNED, TAKEN } from '../../shared/wire/lane.ts';
import { startCluster } from '../support/cluster.ts';
import { open } from '../support/raw-client.ts';
import { startRogue } from '../support/rogue.ts';

const UINT64 = 0xcf;
const INT64 = 0xd3;
const wide = (head: number, value: number): number[] => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return [head, ...bytes];
};

for (const [name, head] of Object.entries({ UINT64, INT64 })) {
  test(`every number may be a ${name}, ranges be taken in parts and backwards, ended be told late`, async (t) => {
    const cluster = await startCluster(t, ['--workers', '1'], []);
    const rogue = await startRogue(cluster.socket, { credits: 4 });
    t.teardown(async () => rogue.die());
    const lane = (kind: number, ...numbers: number[]) =>
      rogue.laneSend(
        Uint8Array.from([0x91 + numbers.length, ...[kind, ...numbers].flatMap((n) => wide(head, n))]),
      );
    for (let round = 0; round < 2; round++) {
      const clients = await Promise.all(Array.from({ length: 4 }, () => open(cluster.listen)));
      for (const client of clients) {
        client.on('error', () => {});
        client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
      }
      let first: number | undefined;
      let count = 0;
      while (count < 4) {
        const offer = await rogue.offered();
        first ??= offer.first;
        count += offer.fds.length;
        offer.fds.forEach(closeFd);
      }
      // The last first, two in the middle at once, then the first.
      for (const [at, many] of [
        [3, 1],
        [1, 2],
        [0, 1],
      ] as const)
        t.true(lane(TAKEN, first! + at, many) > 0);
      await cluster.untilStatus('all are taken', ({ deliveries: [one] }) => one?.taken === 4 * (round + 1));
      t.is((await cluster.status()).deliveries[0]!.inUse, 4, 'credits are in use until ended is told');
      t.true(lane(ENDED, 1) > 0);
      t.true(lane(ENDED, 3) > 0);
      await cluster.untilStatus('the credits are free', ({ deliveries: [one] }) => one?.inUse === 0);
      for (const client of clients) client.destroy();
    }
    // Unasked, and in wide numbers.
    const pong = Buffer.from([0x82, ...pack('type'), ...pack('pong'), ...pack('direct'), ...wide(head, 7)]);
    t.true(rogue.controlSend(pong) > 0);
    await cluster.untilStatus(
      'it is believed',
      ({ deliveries: [one] }) => one?.state === 'up' && one.inUse >= 0,
    );
    const late = (await cluster.metric('baton_late_messages_total')) as number;
    t.is(late, 0);
    t.true(lane(RETURNED, 2 ** 31, 1) > 0);
    const last = await rogue.control();
    t.is(last?.type, 'dismissed', 'what was never offered is nonsense however it is written');
  });
}
