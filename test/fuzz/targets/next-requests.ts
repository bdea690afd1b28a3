/**
 * Of a request a delivery and its head go by the same: what the one finds in its first bytes the other finds in them, the same path
 * and the same name, or neither finds any; and what was found once more bytes do not change.
 */
import { findHost, findPath, found as here } from '../../../delivery/requests/key.ts';
import { createFound } from '../../../head/found.ts';
import { HTTP } from '../../../head/refusals.ts';
import { inspect } from '../../../head/worker/inspect/index.ts';
import { COMPLETE, INCOMPLETE } from '../../../head/worker/inspect/kind.ts';
import { Dice } from '../dice.ts';
import { same, type Target } from '../target.ts';
import { head, pieces } from './heads.ts';

/** More than any input here: a head that is too long for the head is placed by nothing. */
const LIMIT = 65_536;
const found = createFound();

interface Keys {
  readonly path: string | undefined;
  readonly name: string | undefined;
}

/** As a worker looks at what it is asked about (head/worker/ways-back.ts); an empty path is none. */
function atHead(bytes: Uint8Array, length: number): Keys {
  const verdict = inspect(found, bytes, length, LIMIT);
  const isEnough = verdict === COMPLETE || (verdict === INCOMPLETE && found.lineEnd > 0);
  if (!isEnough || found.speaks !== HTTP) return { path: undefined, name: undefined };
  return { path: text(bytes, found.keys.path), name: text(bytes, found.keys.name) };
}

const text = (bytes: Uint8Array, { start, end }: { start: number; end: number }): string | undefined =>
  end > start ? Buffer.from(bytes.subarray(start, end)).toString('latin1') : undefined;

const atDelivery = (bytes: Uint8Array, length: number): Keys => ({
  path: findPath(bytes, length) ? text(bytes, here) : undefined,
  name: findHost(bytes, length) ? text(bytes, here) : undefined,
});

export const nextRequests: Target = {
  about: 'the next request of a connection, at a delivery and at its head',
  code: ['delivery/requests/key.ts'],
  words: pieces,
  longest: 20_000,
  generate: (dice) => Buffer.from(head(dice), 'latin1'),
  check(input) {
    const whole = atDelivery(input, input.length);
    same(whole, atHead(input, input.length), 'all of it');
    const dice = new Dice(input.length);
    for (let length = 0; length <= input.length; length += 1 + dice.below(Math.max(1, input.length >> 6))) {
      const part = atDelivery(input, length);
      same(part, atHead(input, length), `${length} bytes of ${input.length}`);
      if (part.path !== undefined) same(part.path, whole.path, `the path in ${length} bytes`);
      if (part.name !== undefined) same(part.name, whole.name, `the name in ${length} bytes`);
    }
    // What lies in memory beyond it never counts.
    for (const tail of ['\n\n\r\n\n', ' HTTP/1.1\r\nHost: t\r\n\r\n', ':\n', '/'])
      same(atDelivery(Buffer.concat([input, Buffer.from(tail)]), input.length), whole, JSON.stringify(tail));
    return `${whole.path === undefined ? 'no path' : 'a path'}, ${whole.name === undefined ? 'no name' : 'a name'}`;
  },
};
