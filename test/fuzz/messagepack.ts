/** MessagePack as any writer may write it: every form that a value has, and values that nobody asked for. */
import type { Dice } from './dice.ts';

/** Bytes that stand for themselves, right or wrong. */
class Raw {
  readonly bytes: Uint8Array;
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
}

export type Value =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | Raw
  | readonly Value[]
  | ReadonlyMap<Value, Value>;

export const map = (fields: Readonly<Record<string, Value>>): ReadonlyMap<Value, Value> =>
  new Map(Object.entries(fields));

/** A message as it is written, whatever it has in it. */
export const fieldsOf = (message: object): Readonly<Record<string, Value>> =>
  Object.fromEntries(Object.entries(message).map(([key, value]) => [key, plainly(value)]));

function plainly(value: unknown): Value {
  if (Array.isArray(value)) return value.map(plainly);
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value as Value;
  return new Map(Object.entries(fieldsOf(value)));
}

/** The same map with one field less, another or one more, now and then. */
export function disturbed(dice: Dice, fields: Readonly<Record<string, Value>>): Value {
  const all = new Map<Value, Value>(Object.entries(fields));
  if (dice.oneIn(3)) {
    const key = dice.pick([...all.keys(), 'x', '__proto__', 'constructor', 'toString', 7]);
    if (dice.oneIn(4)) all.delete(key);
    else all.set(key, junk(dice));
  }
  return dice.oneIn(50) ? junk(dice) : new Map(dice.oneIn(4) ? [...all].reverse() : all);
}

export function junk(dice: Dice, depth = 3): Value {
  switch (dice.below(depth > 0 ? 10 : 7)) {
    case 0:
      return dice.pick([null, true, false, Number.NaN, Number.POSITIVE_INFINITY, -0, 0.5, 1e300]);
    case 1:
      return dice.integer() * dice.pick([1, 1, -1]);
    case 2:
      return dice.pick([
        '',
        'hello',
        'type',
        '__proto__',
        'é',
        '\u0000',
        '\ud83d\ude00',
        'a'.repeat(dice.below(300)),
      ]);
    case 3:
      return dice.bytes(dice.pick([0, 4, 40]));
    case 4:
      return new Raw(dice.bytes(6));
    case 5:
      return extension(dice);
    case 6:
      return dice.below(128);
    case 7:
      return dice.some(6, () => junk(dice, depth - 1));
    case 8:
      return new Map(dice.some(5, () => [junk(dice, depth - 1), junk(dice, depth - 1)] as [Value, Value]));
    default:
      return [junk(dice, depth - 1)];
  }
}

/** Of a type that the reader's library may have a meaning for. */
function extension(dice: Dice): Raw {
  const type = dice.pick([
    0x72,
    0x73,
    0x74,
    0x78,
    0x65,
    0x69,
    0x70,
    0x62,
    0x42,
    0x44,
    0xff,
    0,
    dice.below(256),
  ]);
  const inside = dice.oneIn(2) ? dice.bytes(12) : encode(dice, [dice.pick(['a', 'b'])]);
  const fixed = [1, 2, 4, 8, 16].indexOf(inside.length);
  const head = fixed >= 0 ? [0xd4 + fixed, type] : [0xc7, inside.length, type];
  return new Raw(Buffer.concat([Uint8Array.from(head), inside]));
}

const uint = (width: number, value: number | bigint): Uint8Array => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt.asUintN(64, BigInt(value)));
  return bytes.subarray(8 - width);
};

/** A header with a length, in one of the forms that can have it. */
function header(
  dice: Dice,
  length: number,
  short: number,
  shortMost: number,
  wide: readonly number[],
  from: number,
) {
  const forms: Uint8Array[] = length <= shortMost ? [Uint8Array.of(short + length)] : [];
  for (const [at, code] of wide.entries()) {
    const width = from << at;
    if (length < 2 ** (8 * width)) forms.push(Buffer.concat([Uint8Array.of(code), uint(width, length)]));
  }
  return dice.mostly(...(forms as [Uint8Array]));
}

export function encode(dice: Dice, value: Value): Uint8Array {
  if (value instanceof Raw) return value.bytes;
  if (value === null) return Uint8Array.of(0xc0);
  if (typeof value === 'boolean') return Uint8Array.of(value ? 0xc3 : 0xc2);
  if (typeof value === 'number') return encodeNumber(dice, value);
  if (typeof value === 'string') {
    const text = Buffer.from(value);
    return Buffer.concat([header(dice, text.length, 0xa0, 31, [0xd9, 0xda, 0xdb], 1), text]);
  }
  if (value instanceof Uint8Array)
    return Buffer.concat([header(dice, value.length, 0, -1, [0xc4, 0xc5, 0xc6], 1), value]);
  if (value instanceof Map) {
    const entries = [...(value as ReadonlyMap<Value, Value>)];
    const parts = entries.flatMap(([key, inner]) => [encode(dice, key), encode(dice, inner)]);
    return Buffer.concat([header(dice, entries.length, 0x80, 15, [0xde, 0xdf], 2), ...parts]);
  }
  const items = value as readonly Value[];
  return Buffer.concat([
    header(dice, items.length, 0x90, 15, [0xdc, 0xdd], 2),
    ...items.map((item) => encode(dice, item)),
  ]);
}

function encodeNumber(dice: Dice, value: number): Uint8Array {
  if (!Number.isInteger(value) || Math.abs(value) >= 2 ** 64 || Object.is(value, -0)) {
    const bytes = Buffer.alloc(9, 0xcb);
    bytes.writeDoubleBE(value, 1);
    return bytes;
  }
  const forms: Uint8Array[] = [];
  if (value >= 0 && value < 128) forms.push(Uint8Array.of(value));
  if (value < 0 && value >= -32) forms.push(Uint8Array.of(256 + value));
  for (const [at, width] of [1, 2, 4, 8].entries()) {
    if (value >= 0 && value < 2 ** (8 * width))
      forms.push(Buffer.concat([Uint8Array.of(0xcc + at), uint(width, value)]));
    if (value >= -(2 ** (8 * width - 1)) && value < 2 ** (8 * width - 1))
      forms.push(Buffer.concat([Uint8Array.of(0xd0 + at), uint(width, value)]));
  }
  return forms.length === 0 ? Uint8Array.of(0xc0) : dice.mostly(...(forms as [Uint8Array]));
}
