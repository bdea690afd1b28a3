/** Lanes of a link: what is sealed opens once, in its order and for nobody else; and who may open one. */
import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { text } from 'node:stream/consumers';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { createAead, NodeAead } from '../../../../shared/sys/aead.ts';
import { closeFd, endWriting } from '../../../../shared/sys/sockets.ts';
import type { OpenedLane } from '../../../../shared/wire/remote/front-door.ts';
import { LaneSocket } from '../../../../shared/wire/remote/lane-socket.ts';
import { connectLink, listenForLinks, type ServerLink } from '../../../../shared/wire/remote/link.ts';
import { OPENING_SIZE, writeOpening } from '../../../../shared/wire/remote/opening.ts';
import {
  laneKeys,
  linkNameOf,
  Opener,
  RECORD_MAX,
  recordLength,
  SEALED_MAX,
  Sealer,
} from '../../../../shared/wire/remote/sealed.ts';
import { pair, take } from '../../../support/lane-pair.ts';
import { until } from '../../../support/until.ts';

const secret = Buffer.alloc(32, 7);
const { toHead, toDelivery } = laneKeys(secret, 0);

function sealAll(key: Uint8Array, texts: readonly string[]): Buffer[] {
  const sealer = new Sealer(key);
  return texts.map((said) => {
    const into = Buffer.alloc(said.length + 20);
    return into.subarray(0, sealer.seal(Buffer.from(said), into, 0));
  });
}

test('what is sealed opens in its order, and says nothing to who only sees it', (t) => {
  const said = ['one', '', 'three', 'x'.repeat(1000)];
  const records = sealAll(toHead, said);
  const opener = new Opener(toHead);
  t.deepEqual(
    records.map((record) => opener.open(record).toString()),
    said,
  );
  t.false(Buffer.concat(records).includes('three'));
});

test('a record that is repeated, left out, out of its order, of the other direction or of another lane does not open', (t) => {
  const [first, second] = sealAll(toHead, ['first', 'second']);
  const refuses = (records: (Buffer | undefined)[], key = toHead) => {
    const opener = new Opener(key);
    t.throws(() => records.map((record) => opener.open(record!)), { code: 'PROTOCOL' } as object);
  };
  refuses([first, first]);
  refuses([second]);
  refuses([second, first]);
  refuses([first], toDelivery);
  refuses([first], laneKeys(secret, 1).toHead);
  refuses([first], laneKeys(Buffer.alloc(32, 8), 0).toHead);
  t.is(new Opener(toHead, 1).open(second!).toString(), 'second');
});

test('a record of which any bit is changed does not open', (t) => {
  const [record] = sealAll(toHead, ['what is said']);
  fc.assert(
    fc.property(fc.nat(record!.length * 8 - 1), (bit) => {
      const changed = Buffer.from(record!);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      t.throws(() => {
        // A changed length is found as soon as there is more, or less, than it says.
        if (recordLength(changed, 0, changed.length) !== changed.length) throw new Error('another length');
        new Opener(toHead).open(changed);
      });
    }),
  );
});

test('a record that is too long is refused when its length is read', (t) => {
  const header = Buffer.alloc(4);
  for (const length of [0, 15, RECORD_MAX + 17, 0xffffffff]) {
    header.writeUInt32BE(length);
    t.throws(() => recordLength(header, 0, 4), { message: /a record of \d+ bytes/ });
  }
  header.writeUInt32BE(RECORD_MAX + 16);
  t.is(recordLength(header, 0, 4), SEALED_MAX);
});

test('messages go both ways, many in one record, one in many, and wait for who does not read', async (t) => {
  const [one, other] = await pair(t);
  const head = take(t, one, new Sealer(toDelivery), new Opener(toHead));
  const delivery = take(t, other, new Sealer(toHead), new Opener(toDelivery));
  const got: unknown[] = [];
  const reads = (lane: LaneSocket, count: number) =>
    until(
      'all has come',
      () => {
        head.flush();
        delivery.flush();
        got.push(...lane.read());
        return got.length;
      },
      (length) => length >= count,
    );
  for (let n = 0; n < 50; n++) head.send({ n });
  head.flush();
  await reads(delivery, 50);
  t.deepEqual(got.splice(0)[49], { n: 49 });
  for (let n = 0; n < 8; n++) delivery.send({ n, state: Buffer.alloc(2_000_000, n) });
  delivery.flush();
  t.true(delivery.isFull, 'no socket takes 16 MB');
  await reads(head, 8);
  t.false(delivery.isBlocked);
  const large = got.splice(0) as { n: number; state: Buffer }[];
  t.true(large.every(({ n, state }, at) => n === at && state.length === 2_000_000 && state[1_999_999] === n));
  delivery.send({ last: true });
  delivery.flush();
  endWriting(delivery.fd);
  t.deepEqual(head.readAll(), [{ last: true }]);
  await until(
    'its end',
    () => head.readAll() && head.end,
    (end) => end === 'closed',
  );
});

test('what somebody between the two writes into a lane ends it', async (t) => {
  const [one, other] = await pair(t);
  const lane = take(t, one, new Sealer(toDelivery), new Opener(toHead));
  other.write(sealAll(toDelivery, ['back to where it came from'])[0]!);
  await t.throwsAsync(
    until(
      'it is read',
      () => lane.read().length,
      (count) => count > 0,
    ),
    { message: /a record that the other side did not write/ },
  );
});

async function serve(t: ExecutionContext) {
  const opened: OpenedLane[] = [];
  const refused: string[] = [];
  const links: ServerLink[] = [];
  const key = Buffer.from('a secret of two sides, long enough');
  const quiet = { onMessage() {}, onEnd() {} };
  const server = await listenForLinks(
    { host: '127.0.0.1', port: 0 },
    '--remote',
    { secret: key, idleMs: 5000 },
    {
      onLink(link) {
        links.push(link);
        link.offerLanes({ count: 2, onLane: (lane) => opened.push(lane) });
        return quiet;
      },
      onRefused: (_peer, reason) => refused.push(reason),
    },
  );
  t.teardown(() => server.close());
  const client = await connectLink(server.address, { secret: key, idleMs: 5000 }, quiet);
  t.teardown(() => {
    client.close();
    for (const link of links) link.close();
    for (const { fd } of opened) closeFd(fd);
  });
  const open = (count: number) =>
    until(
      'lanes are open',
      () => opened.length,
      (length) => length === count,
    );
  await until(
    'the head has it as well',
    () => links.length,
    (length) => length === 1,
  );
  return { server, client, opened, refused, open };
}

test('a link has lanes, each of them once, and both sides have their keys', async (t) => {
  const { client, opened, refused, open } = await serve(t);
  const delivery = await client.openLane(1);
  t.teardown(() => closeFd(delivery.fd));
  await open(1);
  const { index, fd, keys } = opened[0]!;
  t.is(index, 1);
  const head = new LaneSocket(fd, new Sealer(keys.toDelivery), new Opener(keys.toHead, 1));
  const hear = (lane: LaneSocket) => {
    const got: unknown[] = [];
    return until(
      'a word',
      () => got.push(...lane.read()) && got[0],
      (said) => said !== undefined,
    );
  };
  head.send({ to: 'delivery' });
  head.flush();
  t.deepEqual(await hear(delivery), { to: 'delivery' });
  delivery.send({ to: 'head' });
  delivery.flush();
  t.deepEqual(await hear(head), { to: 'head' });
  for (const again of [1, 2]) {
    const lane = await client.openLane(again);
    t.teardown(() => closeFd(lane.fd));
    await until(
      'it is refused',
      () => lane.read() && lane.end,
      (end) => end !== undefined,
    );
  }
  t.is(opened.length, 1);
  t.deepEqual(refused, Array(2).fill('it opens a lane that there is not, or again'));
});

test('who has no key opens no lane, and keeps nobody from his', async (t) => {
  const { server, client, opened, refused, open } = await serve(t);
  const { address } = server;
  const come = async (bytes: Buffer) => {
    const socket = connectTcp(address.port, address.host);
    socket.on('error', () => {});
    socket.end(bytes);
    await text(socket).catch(() => '');
  };
  await come(writeOpening(linkNameOf(secret), 0, new Sealer(toHead)));
  // What somebody who listens can know: the name of the link, from a lane that was opened.
  const [one, other] = await pair(t);
  const seen = once(other, 'data');
  const lane = await client.openLane(0);
  t.teardown(() => closeFd(lane.fd));
  await open(1);
  one.destroy();
  void seen;
  const forged = writeOpening(linkNameOf(secret), 1, new Sealer(toHead));
  await come(forged.subarray(0, OPENING_SIZE - 1));
  await come(Buffer.concat([forged, Buffer.from('more')]));
  t.is(opened.length, 1);
  t.true(refused.includes('it opens a lane of no link'));
  t.is(refused.length, 3);
});

test('what OpenSSL seals when it is called directly is what Node seals, and both say the same of a forgery', (t) => {
  const key = Buffer.alloc(32, 1);
  const ways = [createAead(key, 1000), new NodeAead(key)];
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 12, maxLength: 12 }),
      fc.uint8Array({ maxLength: 60 }),
      fc.uint8Array({ maxLength: 1000 }),
      (nonce, proved, plain) => {
        const sealed = ways.map((aead) => {
          const into = Buffer.alloc(plain.length + 16);
          aead.seal(nonce, proved, plain, into, 0);
          return into;
        });
        t.deepEqual(sealed[0], sealed[1]);
        for (const aead of ways) t.deepEqual(aead.open(nonce, proved, sealed[0]!), Buffer.from(plain));
        sealed[0]![0]! ^= 1;
        for (const aead of ways) t.is(aead.open(nonce, proved, sealed[0]!), undefined);
      },
    ),
  );
  t.throws(() => ways[0]!.seal(Buffer.alloc(12), Buffer.alloc(0), Buffer.alloc(1001), Buffer.alloc(2000), 0));
});
