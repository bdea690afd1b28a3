import { Packr } from 'msgpackr';
import { readStated, STATED, writeStated } from '../../../shared/wire/lane.ts';
import {
  GIVEN_MESSAGE_MAX,
  KEPT,
  MOVED,
  readGiven,
  readWord,
  STATE_MAX,
  WORD_MAX,
  writeGiven,
  writeWord,
} from '../../../shared/wire/way-back.ts';
import { encode, junk, type Value } from '../messagepack.ts';
import { hold, same, type Target } from '../target.ts';

const packr = new Packr({ useRecords: false, int64AsType: 'number' });
const into = Buffer.alloc(GIVEN_MESSAGE_MAX + 64);

/** What goes over a way back, and a state on a lane: read by hand as any reader of MessagePack does, and bounded. */
export const waysBack: Target = {
  about: 'what is given back, and the words about it',
  code: ['shared/wire/way-back.ts', 'shared/wire/lane.ts'],
  words: [
    Uint8Array.of(0x91),
    Uint8Array.of(0x92, MOVED),
    Uint8Array.of(0x92, KEPT),
    Uint8Array.of(0x93, STATED),
    Uint8Array.of(0xc4, 3, 1, 2, 3),
    Uint8Array.of(0xc5, 0x80, 0),
    Uint8Array.of(0xc6, 0, 0, 0x80, 0),
  ],
  generate(dice) {
    const number = dice.integer();
    const state = dice.bytes(dice.pick([0, 1, 40, 300]));
    const items: Value[] = dice.pick<Value[]>([
      [number],
      [number, state],
      [dice.pick([MOVED, KEPT, 0, 3]), number],
      [STATED, number, state],
    ]);
    if (dice.oneIn(8)) items[dice.below(items.length)] = junk(dice, 1);
    return encode(dice, items);
  },
  check(input) {
    // A socket's buffer, in which more may stand behind from before.
    const longer = Buffer.concat([input, Uint8Array.of(0x92, MOVED, 7)]);
    const given = readGiven(input, input.length);
    const word = readWord(input, input.length);
    const stated = readStated(input, input.length, STATE_MAX);
    same(readGiven(longer, input.length), given, 'given, with more bytes behind it');
    same(readWord(longer, input.length), word, 'a word, with more bytes behind it');
    same(readStated(longer, input.length, STATE_MAX), stated, 'stated, with more bytes behind it');
    if (given) {
      const { number, state } = given;
      needCounted(number, state);
      same(packr.unpack(input), state ? [number, state] : [number], 'given, as MessagePack');
      hold(state?.buffer !== input.buffer || state.length === 0, 'a state that is no copy');
      same(readGiven(into, writeGiven(into, number, state)), given, 'given again');
    }
    if (word) {
      needCounted(word.number, undefined);
      hold(input.length <= WORD_MAX, 'a word that is too long');
      const kind = word.isMoved ? MOVED : KEPT;
      same(packr.unpack(input), [kind, word.number], 'a word, as MessagePack');
      same(readWord(into, writeWord(into, kind, word.number)), word, 'said again');
    }
    if (stated) {
      needCounted(stated.id, stated.state);
      same(packr.unpack(input), [STATED, stated.id, stated.state], 'stated, as MessagePack');
      same(readStated(into, writeStated(into, stated.id, stated.state), STATE_MAX), stated, 'stated again');
    }
    // They go over different sockets, but for one of which nobody can say what it is.
    return [given && (given.state ? 'given with a state' : 'given'), word && 'a word', stated && 'stated']
      .filter(Boolean)
      .join(', ');
  },
};

function needCounted(number: number, state: Uint8Array | undefined): void {
  hold(Number.isInteger(number) && number >= 0 && number <= 0xffffffff, `number ${number}`);
  hold((state?.length ?? 0) <= STATE_MAX, `a state of ${state?.length} bytes`);
}
