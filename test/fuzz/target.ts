/** What can be fuzzed: a reader of bytes that come from outside, and what holds for it whatever they are. */
import type { Dice } from './dice.ts';

export interface Target {
  /** What it reads, in a few words. */
  readonly about: string;
  /** The code that it is about, paths from the project's root: an input that reaches more of it is kept and changed further. */
  readonly code: readonly string[];
  /** Pieces that inputs of this kind are made of. */
  readonly words?: readonly (string | Uint8Array)[];
  /** Bytes of the longest input. Default 4096. */
  readonly longest?: number;
  /** What one input may take besides its share by length, of the processor's time. Default 100. */
  readonly millis?: number;
  /** A new input, mostly right; without it all inputs come from the corpus. */
  generate?(dice: Dice): Uint8Array;
  /**
   * Throws when something does not hold. Answers what the input came to, in a word or a line: one that was not seen before is
   * worth keeping, too. The time and the memory that it may take are looked after by the fuzzer.
   */
  check(input: Uint8Array): string | Promise<string>;
  /** Gives back what it has opened. */
  close?(): void | Promise<void>;
}

/** Fails the input with a message for a person. */
export function hold(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(what);
}

/** Equal by what they say; typed arrays by their bytes. */
export function same(found: unknown, expected: unknown, what: string): void {
  const [one, other] = [plain(found), plain(expected)];
  if (one !== other) throw new Error(`${what}: ${clip(one)} and not ${clip(other)}`);
}

const plain = (value: unknown): string =>
  JSON.stringify(value, (_, inner: unknown) => {
    if (inner instanceof Uint8Array) return `bytes ${Buffer.from(inner).toString('hex')}`;
    if ((inner as { type?: unknown } | null)?.type === 'Buffer')
      return plainBuffer(inner as { data: number[] });
    if (typeof inner === 'bigint') return `${inner}n`;
    if (typeof inner === 'number' && !Number.isFinite(inner)) return String(inner);
    return inner === undefined ? 'undefined' : inner;
  });

const plainBuffer = ({ data }: { data: number[] }): unknown =>
  Array.isArray(data) ? `bytes ${Buffer.from(data).toString('hex')}` : data;

/** What moves a terminal's cursor, ends its line or begins an escape sequence. */
export const hasControls = (text: string): boolean => /\p{Cc}/u.test(text);

const clip = (text: string): string => (text.length > 400 ? `${text.slice(0, 400)}...` : text);
