/** A release that knows nothing of congestion is told nothing of it. */
import test from 'ava';
import { encoderFor } from '../../../head/migrate/moving.ts';
import { decodeSaved, type SavedConnection } from '../../../shared/tcp-repair/index.ts';

const saved: SavedConnection = {
  version: 1,
  client: { address: Uint8Array.of(192, 0, 2, 1), port: 40_000 },
  server: { address: Uint8Array.of(192, 0, 2, 100), port: 80 },
  mss: 1460,
  sack: true,
  timestamp: 1,
  peerScale: 7,
  ownScale: 10,
  receiveSeq: 1,
  sendSeq: 1,
  window: { sendUpdatedBy: 1, sendWindow: 2, sendWindowMax: 3, receiveWindow: 4, receiveUpdatedAt: 5 },
  inputEnded: false,
  received: new Uint8Array(0),
  sent: new Uint8Array(0),
  unsent: new Uint8Array(0),
  congestion: { window: 700, roundTrip: 50_000, rate: 20_000_000, isFresh: true },
};

test('what a connection knew of its path is told to who reads it', (t) => {
  const read = (readsPath: boolean) => decodeSaved(encoderFor(readsPath)(saved)).congestion;
  t.deepEqual(read(true), saved.congestion);
  t.is(read(false), null);
});
