/** What every reader of messages owes: it answers a value, or refuses with an error of the catalogue, in one plain line. */
import { BatonError, type ErrorCode } from '../../shared/errors.ts';
import { hasControls, hold } from './target.ts';

/** What a person has written is in it, each control character spelled out. */
const REFUSAL_MAX = 10_000;

export type Outcome<T> = { readonly value: T } | { readonly refusal: string };

/** Fails on any other error, and on a refusal that could do harm in a terminal or a log. */
export function read<T>(code: ErrorCode | readonly ErrorCode[], reader: () => T): Outcome<T> {
  try {
    return { value: reader() };
  } catch (error) {
    if (!(error instanceof BatonError)) throw error;
    hold([code].flat().includes(error.code), `refused as ${error.code}: ${error.message}`);
    hold(!hasControls(error.message), `control characters in ${JSON.stringify(error.message)}`);
    hold(error.message.length <= REFUSAL_MAX, `a refusal of ${error.message.length} characters`);
    return { refusal: error.message };
  }
}
