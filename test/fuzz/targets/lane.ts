import { Packr } from 'msgpackr';
import {
  CONNECTIONS,
  ENDED,
  LANE_MESSAGE_MAX,
  laneMessage,
  RETURNED,
  readLane,
  TAKEN,
  writeEnded,
  writeRange,
} from '../../../shared/wire/lane.ts';
import { encode, junk, type Value } from '../messagepack.ts';
import { hold, same, type Target } from '../target.ts';

const packr = new Packr({ useRecords: false, int64AsType: 'number' });
const into = Buffer.alloc(LANE_MESSAGE_MAX);

/** A lane's message, read by hand, is what any reader of MessagePack makes of it. */
export const lane: Target = {
  about: 'what deliveries and heads say on a lane',
  code: ['shared/wire/lane.ts'],
  words: [
    Uint8Array.of(0x93, TAKEN),
    Uint8Array.of(0x92, ENDED),
    Uint8Array.of(0xcf, 0, 0, 0, 0),
    Uint8Array.of(0xd3),
  ],
  longest: 80,
  generate(dice) {
    const kind = dice.pick([CONNECTIONS, TAKEN, RETURNED, ENDED, 0, 5]);
    const items: Value[] = kind === ENDED ? [kind, dice.integer()] : [kind, dice.integer(), dice.integer()];
    if (dice.oneIn(8)) items[dice.below(items.length)] = junk(dice, 1);
    return encode(dice, items);
  },
  check(input) {
    const reads = readLane(input, input.length);
    const { kind, first, count } = { ...laneMessage };
    // What lies behind it, from a longer message before, does not count.
    const longer = Buffer.concat([input, Uint8Array.of(1, 0x93, TAKEN, 7, 7)]);
    hold(readLane(longer, input.length) === reads, 'another verdict with more bytes behind it');
    if (!reads) {
      hold(!asMessage(input), 'refused, and it is a message');
      return 'refused';
    }
    same({ ...laneMessage }, { kind, first, count }, 'with more bytes behind it');
    same(packr.unpack(input), kind === ENDED ? [kind, count] : [kind, first, count], 'as MessagePack');
    const written = into.subarray(
      0,
      kind === ENDED ? writeEnded(into, count) : writeRange(into, kind, first, count),
    );
    hold(readLane(written, written.length), 'refused when it is written again');
    same({ ...laneMessage }, { kind, first, count }, 'written again');
    return String(kind);
  },
};

/** By MessagePack's rules, for integers of any width. */
function asMessage(input: Uint8Array): boolean {
  const bytes = Buffer.from(input);
  if (bytes.length > LANE_MESSAGE_MAX || bytes.length === 0) return false;
  const head = bytes[0]!;
  const [count, from] =
    head === 0xdc && bytes.length >= 3
      ? [bytes.readUInt16BE(1), 3]
      : head === 0xdd && bytes.length >= 5
        ? [bytes.readUInt32BE(1), 5]
        : [head >> 4 === 9 ? head & 15 : -1, 1];
  const items: bigint[] = [];
  let at = from;
  while (at < bytes.length) {
    const code = bytes[at++]!;
    const width = code < 0x80 || code >= 0xe0 ? 0 : 1 << (code & 3);
    if (width > 0 && (code < 0xcc || code > 0xd3 || at + width > bytes.length)) return false;
    const hex = width === 0 ? code.toString(16) : bytes.toString('hex', at, at + width);
    const value = BigInt(`0x${hex}`);
    const isSigned = code >= 0xd0;
    items.push(isSigned ? BigInt.asIntN(8 * Math.max(1, width), value) : value);
    at += width;
  }
  if (items.length !== count || items.some((item) => item < 0n || item > 0xffffffffn)) return false;
  const [kind] = items;
  const isKnown = kind === 4n ? count === 2 : count === 3 && kind! >= 1n && kind! <= 3n;
  return isKnown && items.at(-1)! > 0n;
}
