import {
  decodeSaved,
  encodeSaved,
  RECEIVE_QUEUE_MAX,
  SAVED_MAX,
  SEND_QUEUE_MAX,
} from '../../../shared/tcp-repair/index.ts';
import type { Dice } from '../dice.ts';
import { encode, junk, type Value } from '../messagepack.ts';
import { read } from '../refusals.ts';
import { hold, same, type Target } from '../target.ts';

const address = (dice: Dice): Uint8Array =>
  dice.pick([
    Uint8Array.of(192, 0, 2, dice.below(256)),
    dice.bytes(16),
    Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 192, 0, 2, 1),
    Uint8Array.from({ length: 16 }, () => dice.below(256)),
  ]);
const canary = encodeSaved({
  version: 1,
  client: { address: Uint8Array.of(192, 0, 2, 1), port: 69 },
  server: { address: Uint8Array.of(192, 0, 2, 100), port: 80 },
  mss: 1460,
  sack: true,
  timestamp: null,
  peerScale: 7,
  ownScale: 10,
  receiveSeq: 69,
  sendSeq: 70,
  window: { sendUpdatedBy: 69, sendWindow: 71, sendWindowMax: 72, receiveWindow: 73, receiveUpdatedAt: 74 },
  inputEnded: false,
  received: Buffer.from('GET /'),
  sent: Buffer.alloc(0),
  unsent: Buffer.alloc(0),
  congestion: { window: 700, roundTrip: 50_000, rate: 20_000_000, isFresh: true },
});

/** A connection on its way to another host: read in bounds or refused, and what is read can be sent on as it is. */
export const savedConnections: Target = {
  about: 'a connection on its way to another host',
  code: ['shared/tcp-repair/saved.ts', 'node_modules/msgpackr/unpack.js'],
  words: [
    canary.subarray(0, 20),
    canary.subarray(20, 40),
    Uint8Array.of(0xc4, 4),
    Uint8Array.of(0xc4, 16),
    Uint8Array.of(0xdc, 0, 21),
    Uint8Array.of(0xdc, 0, 25),
  ],
  generate(dice) {
    const u32 = () => dice.mostly(dice.integer() % 2 ** 32, dice.integer());
    const queue = () => dice.bytes(dice.pick([0, 0, 5, 100]));
    const from = address(dice);
    const items: Value[] = [
      1,
      from,
      dice.mostly(40_000, dice.integer()),
      dice.oneIn(8) ? address(dice) : from,
      80,
      dice.pick([88, 87, 536, 1460, 65_535, 65_536]),
      dice.oneIn(2),
      dice.oneIn(3) ? null : u32(),
      dice.below(16),
      dice.below(16),
      u32(),
      u32(),
      u32(),
      u32(),
      u32(),
      u32(),
      u32(),
      dice.oneIn(2),
      queue(),
      queue(),
      queue(),
    ];
    if (dice.oneIn(2)) items.push(u32(), u32(), u32(), dice.oneIn(2));
    if (dice.oneIn(4)) items[dice.below(items.length)] = junk(dice, 1);
    if (dice.oneIn(30)) items.pop();
    return encode(dice, items);
  },
  check(input) {
    const outcome = read('PROTOCOL', () => decodeSaved(input));
    same(encodeSaved(decodeSaved(canary)), canary, 'the next connection');
    if ('refusal' in outcome) return outcome.refusal.replace(/\d+/g, 'N');
    const { value } = outcome;
    hold(
      value.received.length <= RECEIVE_QUEUE_MAX &&
        value.sent.length <= SEND_QUEUE_MAX &&
        value.unsent.length <= SEND_QUEUE_MAX,
      'queues',
    );
    hold(value.client.address.length === value.server.address.length, 'two families');
    const again = encodeSaved(value);
    hold(
      again.length <= Math.max(SAVED_MAX, input.length + 64),
      `${again.length} bytes when it is written again`,
    );
    same(decodeSaved(again), value, 'written again');
    return `${value.client.address.length} ${value.client.mapped === true}`;
  },
};
