import { createFound } from '../../../head/found.ts';
import { HTTP } from '../../../head/refusals.ts';
import { mayDecide } from '../../../head/worker/inspect/http.ts';
import { inspect } from '../../../head/worker/inspect/index.ts';
import { COMPLETE, INCOMPLETE, REFUSED } from '../../../head/worker/inspect/kind.ts';
import { grammar } from '../../head/worker/request-heads.ts';
import { Dice } from '../dice.ts';
import { hold, same, type Target } from '../target.ts';
import { head, pieces } from './heads.ts';

const LIMIT = 16_384;
/** Above this the grammar, a regular expression, takes more time than it is worth. */
const GRAMMAR_MAX = 2000;
const found = createFound();

function judge(bytes: Uint8Array, length: number): { verdict: number; why: unknown } {
  const verdict = inspect(found, bytes, length, LIMIT);
  return { verdict, why: verdict === REFUSED ? [found.failure, found.answer] : undefined };
}

/** All that is found but where. */
const whatIsFound = () => ({ ...found, keys: structuredClone(found.keys), bytes: undefined });

/** A request head, however it is cut, whatever lies behind it. */
export const requestHeads: Target = {
  about: 'the first bytes of a connection',
  code: ['head/worker/inspect/'],
  words: pieces,
  longest: 20_000,
  generate: (dice) => Buffer.from(head(dice), 'latin1'),
  check(input) {
    const whole = judge(input, input.length);
    const result = { ...whatIsFound() };
    const { speaks, end, lineEnd, targetStart, targetEnd, keys } = result;

    // Byte by byte as well as in pieces: what is decided stays, and what may decide is looked at.
    const dice = new Dice(input.length);
    let before = 0;
    let decided: { verdict: number; why: unknown } | undefined;
    for (let length = 1; length <= input.length; length += 1 + dice.below(Math.max(1, input.length >> 3))) {
      if (before > 0) judge(input, before);
      const lineIsWhole = before > 0 && found.lineEnd > 0;
      const now = judge(input, length);
      if (decided) same(now, decided, `${length} bytes of ${input.length}`);
      else if (now.verdict !== INCOMPLETE) {
        decided = now;
        // Of a long request line what is wrong may be seen later than it could: when the line has grown by half, or ends.
        const isSeenLater = now.verdict === REFUSED && !lineIsWhole && length >= 256;
        if (before > 0 && length < LIMIT && !isSeenLater)
          hold(mayDecide(input, before, length, lineIsWhole), `${length} bytes are not looked at`);
      }
      before = length;
    }
    if (decided) same(whole, decided, 'all of it');

    // What lies in memory beyond it never counts.
    for (const tail of ['\n\n\r\n\n', ' HTTP/1.1\r\n\r\n', '\x03\x01'])
      same(
        judge(Buffer.concat([input, Buffer.from(tail)]), input.length),
        whole,
        `with a tail ${JSON.stringify(tail)}`,
      );

    // What speaks something else than HTTP/1.x is judged by its own targets.
    const isOther = ![0x16, 0x80, 0x81].every((byte) => input[0] !== byte) || speaks !== HTTP;
    if (isOther) return `other ${whole.verdict}`;
    if (input.length <= GRAMMAR_MAX) {
      const match = grammar.exec(Buffer.from(input).toString('latin1'));
      hold(
        (match !== null) === (whole.verdict === COMPLETE),
        `${match ? '' : 'not '}a request by the grammar`,
      );
      if (match) hold(match[0].length === end, `ends at ${end}, by the grammar at ${match[0].length}`);
    }
    if (whole.verdict !== COMPLETE) return whole.verdict === INCOMPLETE ? 'incomplete' : String(whole.why);
    same(judge(input, end), whole, 'no more than the head');
    hold(judge(input, end - 1).verdict === INCOMPLETE, 'complete without its last byte');
    hold(
      lineEnd > 0 &&
        targetStart <= keys.path.end &&
        keys.path.end <= targetEnd &&
        targetEnd <= lineEnd &&
        lineEnd < end,
      `spans ${JSON.stringify(result)}`,
    );
    return `complete ${result.refusal ?? ''}${result.isHead ? ' HEAD' : ''}${result.isLast ? ' last' : ''}`;
  },
};
