import test from 'ava';
import fc from 'fast-check';
import { Packr } from 'msgpackr';
import { BatonError } from '../../../shared/errors.ts';
import {
  decodeSaved,
  encodeSaved,
  RECEIVE_QUEUE_MAX,
  Refusal,
  refusalReasons,
  SAVED_MAX,
  type SavedConnection,
  SEND_QUEUE_MAX,
} from '../../../shared/tcp-repair/index.ts';

const plain = new Packr({ useRecords: false });
const some: SavedConnection = {
  version: 1,
  client: { address: Uint8Array.of(192, 0, 2, 1), port: 40_000 },
  server: { address: Uint8Array.of(192, 0, 2, 100), port: 80 },
  mss: 1460,
  sack: true,
  timestamp: 4_000_000_000,
  peerScale: 7,
  ownScale: 10,
  receiveSeq: 0xffffffff,
  sendSeq: 0,
  window: { sendUpdatedBy: 1, sendWindow: 2, sendWindowMax: 3, receiveWindow: 4, receiveUpdatedAt: 5 },
  inputEnded: false,
  received: Buffer.from('GET / HTTP/1.1\r\n\r\n'),
  sent: Buffer.alloc(0),
  unsent: Buffer.from('abc'),
  congestion: null,
};
const congestion = { window: 700, roundTrip: 50_000, rate: 0xffffffff, isFresh: false };

/** What is wrong with a message. */
function problem(message: Uint8Array): string {
  try {
    decodeSaved(message);
  } catch (error) {
    if (error instanceof BatonError && error.code === 'PROTOCOL') return String(error.details.problem);
    throw error;
  }
  throw new Error('accepted');
}
const problemOf = (change: object) => problem(encodeSaved({ ...some, ...change }));

/** With Uint8Arrays alike, whatever they are views of. */
const normal = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (_, inner) =>
      inner?.type === 'Buffer' ? inner.data : inner instanceof Uint8Array ? [...inner] : inner,
    ),
  );

test('a saved connection is read as it was written', (t) => {
  t.deepEqual(normal(decodeSaved(encodeSaved(some))), normal(some));
  t.is(decodeSaved(encodeSaved({ ...some, timestamp: null })).timestamp, null);
  const sent = { ...some, congestion };
  t.deepEqual(normal(decodeSaved(encodeSaved(sent))), normal(sent));
});

test('one that has sent nothing is written as releases do that know of no congestion, and theirs is read', (t) => {
  const items = plain.unpack(encodeSaved(some)) as unknown[];
  t.is(items.length, 21);
  t.is(decodeSaved(plain.pack(items)).congestion, null);
  t.deepEqual((plain.unpack(encodeSaved({ ...some, congestion })) as unknown[]).slice(0, 21), items);
});

test('full queues fit into a message', (t) => {
  const full = {
    ...some,
    client: { address: new Uint8Array(16), port: 65_535 },
    server: { address: new Uint8Array(16), port: 65_535 },
    received: Buffer.alloc(RECEIVE_QUEUE_MAX),
    sent: Buffer.alloc(SEND_QUEUE_MAX),
    unsent: Buffer.alloc(0),
  };
  const message = encodeSaved(full);
  t.true(message.length <= SAVED_MAX);
  t.is(decodeSaved(message).received.length, RECEIVE_QUEUE_MAX);
});

test('another version is refused before anything else of it is believed', (t) => {
  t.regex(problemOf({ version: 2 }), /^a saved connection with a bad version/);
  t.regex(problem(plain.pack([2])), /^a saved connection with a bad version/);
  t.regex(problem(plain.pack({ ...some })), /^a saved connection with a bad shape: not an array/);
  const items = plain.unpack(encodeSaved(some)) as unknown[];
  t.regex(
    problem(plain.pack(items.slice(0, -1))),
    /^a saved connection with a bad shape: not 21 or 25 items/,
  );
  t.regex(problem(plain.pack([...items, 0])), /^a saved connection with a bad shape: not 21 or 25 items/);
});

test('what is out of bounds is refused, by name', (t) => {
  const port = { ...some.client, port: 0 };
  for (const [change, path] of [
    [{ client: port }, 'client.port'],
    [{ server: { ...some.server, address: new Uint8Array(5) } }, 'server.address'],
    [{ client: { ...some.client, address: new Uint8Array(16) } }, 'shape'],
    [{ mss: 87 }, 'mss'],
    [{ mss: 65_536 }, 'mss'],
    [{ timestamp: -1 }, 'timestamp'],
    [{ ownScale: 15 }, 'ownScale'],
    [{ receiveSeq: 2 ** 32 }, 'receiveSeq'],
    [{ sendSeq: 1.5 }, 'sendSeq'],
    [{ window: { ...some.window, sendWindow: '1' } }, 'window.sendWindow'],
    [{ inputEnded: 1 }, 'inputEnded'],
    [{ received: new Uint8Array(RECEIVE_QUEUE_MAX + 1) }, 'received'],
    [{ sent: 'text' }, 'sent'],
    [{ unsent: undefined }, 'unsent'],
    [{ congestion: { ...congestion, window: -1 } }, 'congestion.window'],
    [{ congestion: { ...congestion, roundTrip: 2 ** 32 } }, 'congestion.roundTrip'],
    [{ congestion: { ...congestion, rate: 0.5 } }, 'congestion.rate'],
    [{ congestion: { ...congestion, isFresh: 1 } }, 'congestion.isFresh'],
  ] as [object, string][]) {
    t.true(problemOf(change).startsWith(`a saved connection with a bad ${path}: `), problemOf(change));
  }
});

test('a message that is too long or no MessagePack is refused', (t) => {
  t.is(problem(new Uint8Array(SAVED_MAX + 1)), `a saved connection of ${SAVED_MAX + 1} bytes`);
  t.is(problem(encodeSaved(some).subarray(0, -1)), 'a saved connection that is not MessagePack');
});

test('no bytes whatever make it do anything but refuse', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      t.is(typeof problem(bytes), 'string');
    }),
  );
});

test('every reason for a refusal says what it means in one line', (t) => {
  for (const reason of refusalReasons) {
    const { text } = new Refusal(reason, 'bind', -99);
    t.regex(text, /^\S.* \(bind: EADDRNOTAVAIL\)$/);
  }
  t.is(new Refusal('listening').text, 'a listening socket, not a connection');
});
