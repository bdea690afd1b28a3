/** Makes another input of one that there is. */
import type { Dice } from './dice.ts';

/** Bytes at which readers decide otherwise. */
const EDGES = [0, 1, 9, 10, 13, 32, 0x7f, 0x80, 0x90, 0xc0, 0xcc, 0xcf, 0xd3, 0xdd, 0xdf, 0xfe, 0xff];

type Change = (dice: Dice, input: Uint8Array, others: Others, longest: number) => Uint8Array;

export interface Others {
  readonly words: readonly Uint8Array[];
  readonly corpus: readonly Uint8Array[];
}

const join = (...parts: readonly Uint8Array[]): Uint8Array => {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
};

/** `inside` instead of what lies between the two. */
const replace = (input: Uint8Array, from: number, to: number, inside: Uint8Array): Uint8Array =>
  join(input.subarray(0, from), inside, input.subarray(to));

const cut = (dice: Dice, input: Uint8Array): [from: number, to: number] => {
  const from = dice.below(input.length + 1);
  return [from, from + dice.below(Math.min(input.length - from, dice.pick([1, 4, 32, input.length])) + 1)];
};

const setByte = (input: Uint8Array, at: number, byte: number): Uint8Array => {
  const changed = Uint8Array.from(input);
  if (at < changed.length) changed[at] = byte;
  return changed;
};

const changes: readonly Change[] = [
  (dice, input) => {
    const at = dice.below(input.length);
    return setByte(input, at, (input[at] ?? 0) ^ (1 << dice.below(8)));
  },
  (dice, input) => setByte(input, dice.below(input.length), dice.pick(EDGES)),
  (dice, input) => setByte(input, dice.below(input.length), dice.below(256)),
  (dice, input) => {
    const at = dice.below(input.length);
    return setByte(input, at, (input[at] ?? 0) + dice.pick([1, -1, 16, -16]));
  },
  (dice, input) => replace(input, ...cut(dice, input), new Uint8Array(0)),
  (dice, input) => input.subarray(0, dice.below(input.length + 1)),
  (dice, input) => {
    const at = dice.below(input.length + 1);
    return replace(input, at, at, dice.bytes(4));
  },
  (dice, input, { words }) => {
    if (words.length === 0) return input;
    const at = dice.below(input.length + 1);
    return replace(input, at, at, dice.pick(words));
  },
  (dice, input, { words }) =>
    words.length === 0 ? input : replace(input, ...cut(dice, input), dice.pick(words)),
  // A part of it elsewhere, or many times.
  (dice, input) => {
    const at = dice.below(input.length + 1);
    return replace(input, at, at, input.subarray(...cut(dice, input)));
  },
  (dice, input, _, longest) => {
    const [from, to] = cut(dice, input);
    const part = input.subarray(from, to);
    const most = part.length === 0 ? 0 : Math.floor(longest / part.length);
    const times = Math.min(most, dice.oneIn(50) ? dice.below(5000) : dice.below(8));
    return replace(input, from, to, join(...Array.from({ length: times }, () => part)));
  },
  // A number in big-endian, as lengths are.
  (dice, input) => {
    const width = dice.pick([2, 4, 8]);
    const number = Buffer.alloc(8);
    number.writeBigUInt64BE(BigInt.asUintN(64, BigInt(dice.integer()) - BigInt(dice.below(2))));
    const at = dice.below(input.length + 1);
    return replace(input, at, Math.min(input.length, at + width), number.subarray(8 - width));
  },
  // The beginning of one and the end of another.
  (dice, input, { corpus }) => {
    const other = dice.pick(corpus) ?? input;
    return join(
      input.subarray(0, dice.below(input.length + 1)),
      other.subarray(dice.below(other.length + 1)),
    );
  },
  (dice, input, { corpus }) => {
    const other = dice.pick(corpus) ?? input;
    return replace(input, ...cut(dice, input), other.subarray(...cut(dice, other)));
  },
];

/** One change most of the time, several now and then. */
export function mutate(dice: Dice, input: Uint8Array, others: Others, longest: number): Uint8Array {
  let changed = input;
  for (let more = 1 + (dice.oneIn(2) ? 0 : dice.below(6)); more > 0; more--) {
    changed = dice.pick(changes)(dice, changed, others, longest);
    if (changed.length > longest) changed = changed.subarray(0, longest);
  }
  return changed;
}
