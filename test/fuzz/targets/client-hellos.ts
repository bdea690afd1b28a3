import { createFound } from '../../../head/found.ts';
import { HELLO_BYTES } from '../../../head/worker/inspect/client-hello.ts';
import { inspect } from '../../../head/worker/inspect/index.ts';
import { COMPLETE, INCOMPLETE } from '../../../head/worker/inspect/kind.ts';
import { serverName } from '../../../head/worker/inspect/name.ts';
import { read, reader } from '../../head/worker/read-hello.ts';
import { intoRecords, messageOf, readPlainly } from '../../support/hellos.ts';
import { Dice } from '../dice.ts';
import { hold, same, type Target } from '../target.ts';

const found = createFound();

const u16 = (value: number): Buffer => Buffer.of((value >> 8) & 255, value & 255);
const vector = (width: number, body: Uint8Array): Buffer => {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  return Buffer.concat([length.subarray(4 - width), body]);
};

/** Extensions that are read, and others. */
function extension(dice: Dice): Buffer {
  const type = dice.pick([0, 0, 16, 43, 41, 10, 0x0a0a, dice.below(65_536)]);
  const name = Buffer.from(
    dice.pick(['shop.example', 'A.b', 'x'.repeat(dice.below(300)), '10.0.0.1', 'a\0b', '']),
  );
  const body =
    type === 0
      ? vector(2, Buffer.concat([Buffer.of(dice.mostly(0, 1)), vector(2, name)]))
      : type === 16
        ? vector(
            2,
            Buffer.concat(
              dice.some(3, () => vector(1, Buffer.from(dice.pick(['h2', 'http/1.1', '\x0a\x0a', ''])))),
            ),
          )
        : type === 43
          ? vector(1, Buffer.concat(dice.some(3, () => u16(dice.pick([0x0304, 0x0303, 0x1a1a])))))
          : dice.bytes(12);
  return Buffer.concat([u16(type), vector(2, body)]);
}

/** Whole records and nothing behind them, which make no more than one record has room for. */
function isOfRecords(bytes: Buffer): boolean {
  let at = 0;
  while (at + 5 <= bytes.length) at += 5 + bytes.readUInt16BE(at + 3);
  return at === bytes.length && at <= 16_384;
}

/** The hello of TLS: as a plain reading by the letter has it, in whatever records and pieces it comes. */
export const clientHellos: Target = {
  about: 'the first flight of TLS clients',
  code: ['head/worker/inspect/client-hello.ts', 'head/worker/inspect/tls.ts', 'head/worker/inspect/name.ts'],
  words: [
    Uint8Array.of(22, 3, 1),
    Uint8Array.of(0, 0, 0, 17),
    Uint8Array.of(0, 16),
    Uint8Array.of(0, 43, 0, 3, 2, 3, 4),
    Uint8Array.of(0, 41),
    'shop.example',
  ],
  longest: HELLO_BYTES + 10,
  generate(dice) {
    const extensions = dice.some(6, () => extension(dice));
    const body = Buffer.concat([
      u16(0x0303),
      Buffer.alloc(32, dice.below(256)),
      vector(1, dice.bytes(dice.pick([0, 32, 33]))),
      vector(2, Buffer.alloc(2 * dice.mostly(2, 0, 20), 0x13)),
      vector(1, Buffer.alloc(dice.mostly(1, 0, 2))),
      ...(extensions.length > 0 || dice.oneIn(2) ? [vector(2, Buffer.concat(extensions))] : []),
    ]);
    const message = Buffer.concat([Buffer.of(1), vector(3, body)]);
    const sizes = dice.oneIn(2) ? [] : dice.some(140, () => 1 + dice.below(dice.pick([1, 8, 200])));
    return intoRecords(message, sizes);
  },
  check(input) {
    if (input[0] !== 22) return 'no handshake';
    const bytes = Buffer.from(input);
    const whole = read(bytes);
    const plain = readPlainly(bytes);
    // What is cut short may be known to be wrong before it ends; of two wrong things either is named.
    const isEarly = plain.is === 'incomplete' && (whole.is === 'malformed' || whole.is === 'too long');
    const isBoth = plain.is !== 'complete' && plain.is !== 'incomplete' && whole.is === 'malformed';
    if (!isEarly && !isBoth) same(whole, plain, 'by the letter');

    const dice = new Dice(bytes.length);
    let decided = false;
    for (let length = 1; length <= bytes.length; length += 1 + dice.below(1 + (bytes.length >> 4))) {
      const now = read(bytes, length);
      same(now, read(bytes.subarray(0, length)), `${length} bytes, and what lies behind them`);
      if (now.is !== 'incomplete') {
        same(now, whole, `the first ${length} bytes`);
        decided = true;
        continue;
      }
      hold(!decided, `took its verdict back at ${length}`);
      hold(
        reader.needed > length && reader.needed <= HELLO_BYTES,
        `needs ${reader.needed} with ${length} there`,
      );
    }

    const verdict = inspect(found, bytes, bytes.length, 16_384);
    hold((verdict === COMPLETE) === (whole.is === 'complete'), 'inspected otherwise');
    if (verdict === INCOMPLETE && bytes.length > 1)
      hold(found.needed > bytes.length, `needs ${found.needed}`);
    if (verdict !== COMPLETE || whole.is !== 'complete') return whole.is;
    const name = serverName(found);
    hold(name === name.replace(/[A-Z]/, '') && !name.includes(':'), `asks for ${JSON.stringify(name)}`);
    // In one record or in many, it is the same hello.
    if (isOfRecords(bytes)) same(read(intoRecords(messageOf(bytes), [])), whole, 'in one record');
    return `complete${name === '' ? '' : ', by name'}`;
  },
};
