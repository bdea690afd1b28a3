/**
 * The clocks of the lab's machines. Experiments tell the client when to begin, and hold what visits say against what was done to heads
 * and deliveries from here: a guest without internet sets its clock when it starts, to a second, and stands still while it is suspended.
 */
import { once } from 'node:events';
import { BatonError } from '../../../shared/errors.ts';
import type { Dialogue } from '../lab.ts';

/** The quickest answer says best when it was given. */
const QUESTIONS = 5;
/** More than a synchronised clock is off; less than a person sees in a plot. */
const TOLERATED_MS = 20;
/** An emulated machine that others keep busy. */
const WITHIN_MS = 60_000;

interface Reading {
  /** How far it is ahead of the clock here, milliseconds; the truth is at most half of `tookMs` away. */
  readonly aheadMs: number;
  readonly tookMs: number;
}

/**
 * Sets it to the clock here where it is further off than can be told from afar. `converse` starts infra/vagrant/guest/clock there.
 * Answers how far it was off. Throws LAB_FAILED.
 */
export async function alignClock(
  name: string,
  converse: (onLine: (line: string) => void) => Dialogue,
): Promise<number> {
  const lines = new EventTarget();
  const dialogue = converse((line) => lines.dispatchEvent(new CustomEvent('line', { detail: line })));
  const signal = AbortSignal.timeout(WITHIN_MS);
  const ask = async (text: () => string): Promise<Reading> => {
    const answer = once(lines, 'line', { signal }) as Promise<[CustomEvent<string>]>;
    const from = Date.now();
    dialogue.say(text());
    const [{ detail }] = await answer;
    const to = Date.now();
    const theirs = Number(detail) * 1000;
    if (!Number.isFinite(theirs)) throw failed(name, `says ${detail.slice(0, 100)}`);
    return { aheadMs: theirs - (from + to) / 2, tookMs: to - from };
  };
  try {
    return await Promise.race([
      align(ask),
      dialogue.ended.then((how) => Promise.reject(failed(name, `cannot be read: ${how}`))),
    ]);
  } catch (error) {
    throw error instanceof BatonError ? error : failed(name, 'does not answer', error);
  } finally {
    await dialogue.end();
  }
}

async function align(ask: (text: () => string) => Promise<Reading>): Promise<number> {
  let best: Reading | undefined;
  for (let question = 0; question < QUESTIONS; question++) {
    const found = await ask(() => '');
    if (!best || found.tookMs < best.tookMs) best = found;
  }
  const { aheadMs, tookMs } = best!;
  const half = tookMs / 2;
  if (Math.abs(aheadMs) > Math.max(TOLERATED_MS, half)) await ask(() => String((Date.now() + half) / 1000));
  return aheadMs;
}

const failed = (name: string, what: string, cause?: unknown): BatonError =>
  new BatonError('LAB_FAILED', { problem: `the clock of ${name} ${what}` }, cause);
