import { encodeFrame, FRAME_MAX, FrameReader } from '../../../shared/wire/remote/frames.ts';
import { Dice } from '../dice.ts';
import { encode, junk, map, type Value } from '../messagepack.ts';
import { read } from '../refusals.ts';
import { hold, same, type Target } from '../target.ts';

const framed = (body: Uint8Array, length = body.length): Uint8Array => {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(length);
  return Buffer.concat([head, body]);
};
const canary = { type: 'commit', id: 69 };

/** A stream of frames: the same messages in whatever pieces it comes, and the same refusal. */
export const frames: Target = {
  about: 'the stream of a link between hosts',
  code: ['shared/wire/remote/frames.ts', 'node_modules/msgpackr/unpack.js'],
  words: [
    framed(new Uint8Array(0)),
    framed(Uint8Array.of(0xc0)),
    Uint8Array.of(0, 0, 0, 1),
    Uint8Array.of(0, 0x20, 0x14),
  ],
  generate(dice) {
    const some = () => {
      const value: Value = dice.oneIn(3) ? junk(dice) : map({ type: 'commit', id: dice.integer() });
      const body = encode(dice, value);
      return framed(
        body,
        dice.oneIn(30) ? dice.pick([0, 1, FRAME_MAX, FRAME_MAX + 1, 0xffffffff]) : body.length,
      );
    };
    return Buffer.concat([some(), ...dice.some(5, some)]);
  },
  check(input) {
    const whole = readIn(input, [input.length]);
    const dice = new Dice(input.length + (input[5] ?? 0));
    const cuts = dice.some(12, () => dice.below(input.length + 1)).sort((one, other) => one - other);
    same(readIn(input, [...cuts, input.length]), whole, `cut at ${cuts}`);
    if (input.length <= 300)
      same(
        readIn(
          input,
          Array.from(input, (_, at) => at + 1),
        ),
        whole,
        'byte by byte',
      );
    same(new FrameReader().push(encodeFrame(canary)), [canary], 'the next stream');
    return whole.refusal?.replace(/\d+/g, 'N') ?? `${Math.min(whole.messages.length, 5)} messages`;
  },
};

/** What comes before a refusal in the same piece is not told: so only the refusal is compared then. */
function readIn(input: Uint8Array, ends: readonly number[]): { messages: unknown[]; refusal?: string } {
  const reader = new FrameReader();
  const messages: unknown[] = [];
  let before = 0;
  for (const end of ends) {
    // As from a socket: bytes that nobody else has.
    const outcome = read('PROTOCOL', () => reader.push(Buffer.from(input.subarray(before, end))));
    before = end;
    if ('refusal' in outcome) return { messages: [], refusal: outcome.refusal };
    messages.push(...outcome.value);
    hold(outcome.value.length <= input.length / 5 + 1, 'more messages than fit');
  }
  return { messages };
}
