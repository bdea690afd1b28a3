/**
 * Messages on a way back about connections whose next request has come, and lies in them unread: who is to have it? Several go
 * together, and have one answer. PROTOCOL.md describes them for other languages.
 *
 *     delivery to head, with count fds   [first, count, whose]     numbers first, first + 1, ... modulo 2^32
 *     head to delivery                   [ANSWER, first, w, ...]   for each, in their order: what has become of it
 */
import { readPosition as position, readArrayHeader, readUint, writeUint } from './lane.ts';

/** Of one message, at most. */
export const ASKED_MAX = 64;
/** Whoever is chosen, and that may be the one that asks; or another than that. */
export const ANYBODY = 0;
export const ANOTHER = 1;

const ANSWER = 3;
/** It stays: nobody else can have it. */
export const STAYS = 0;
/** It is the head's. */
export const MOVES = 1;
/** It stays: whoever asks has been chosen. */
export const IS_CHOSEN = 2;
/** No answer is longer. */
export const ANSWER_MESSAGE_MAX = ASKED_MAX + 16;

/** Its length in bytes. */
export function writeAsked(into: Uint8Array, first: number, count: number, whose: number): number {
  into[0] = 0x93;
  return writeUint(into, writeUint(into, writeUint(into, 1, first >>> 0), count), whose);
}

export interface AskedMessage {
  readonly first: number;
  readonly count: number;
  /** Whoever asks may be chosen. */
  readonly mayStay: boolean;
}

/** Undefined for anything that is not exactly one. */
export function readAsked(from: Uint8Array, length: number): AskedMessage | undefined {
  if (length < 4 || length > 16 || readArrayHeader(from, length) !== 3) return undefined;
  const first = readUint(from, length);
  const count = readUint(from, length);
  const whose = readUint(from, length);
  if (first < 0 || count < 1 || count > ASKED_MAX || position !== length) return undefined;
  return whose === ANYBODY || whose === ANOTHER ? { first, count, mayStay: whose === ANYBODY } : undefined;
}

/** `count` of `answers`; its length in bytes. */
export function writeAnswer(into: Uint8Array, first: number, answers: Uint8Array, count: number): number {
  into[0] = 0xdc;
  into[1] = 0;
  into[2] = count + 2;
  into[3] = ANSWER;
  const at = writeUint(into, 4, first >>> 0);
  into.set(answers.subarray(0, count), at);
  return at + count;
}

export interface Answer {
  readonly first: number;
  readonly answers: readonly number[];
}

/** Undefined for anything that is not exactly one. */
export function readAnswer(from: Uint8Array, length: number): Answer | undefined {
  if (length < 4 || length > ANSWER_MESSAGE_MAX) return undefined;
  const count = readArrayHeader(from, length) - 2;
  if (count < 1 || count > ASKED_MAX || readUint(from, length) !== ANSWER) return undefined;
  const first = readUint(from, length);
  const answers: number[] = [];
  while (answers.length < count) answers.push(readUint(from, length));
  const isRight = first >= 0 && answers.every((answer) => answer >= STAYS && answer <= IS_CHOSEN);
  return isRight && position === length ? { first, answers } : undefined;
}
