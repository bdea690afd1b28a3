/**
 * Where the address is that two heads share, by their kernels' own word: `ip monitor` tells of each change, however short what it
 * changes to is. A host has the address where its card has it and its cable is in: one that has lost its power keeps it, for nobody.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { BatonError } from '../../shared/errors.ts';
import { ip, run } from '../lab/netns/command.ts';
import type { NetnsHost } from '../lab/netns/network.ts';
import { now } from './records.ts';

/** A host has the address from then on, or has it no more; `at` by the clock of the records. */
export interface Change {
  readonly at: number;
  readonly host: number;
  readonly isHere: boolean;
}

/** A time in which the address was not, or not only, where it had been, until it was with `to` alone. */
export interface Move {
  readonly from: number;
  readonly until: number;
  readonly to: number;
  /** Hosts that had it at some moment of it, both ends included. */
  readonly holders: readonly number[];
}

/** By what each host says of itself; the first one has the address until something else is said. */
export function movesOf(changes: readonly Change[], end: number): Move[] {
  const moves: Move[] = [];
  const has = new Set([0]);
  let owner = 0;
  let away: { readonly from: number; readonly holders: Set<number> } | undefined;
  const close = (until: number, to: number) => {
    if (away) moves.push({ from: away.from, until, to, holders: [...away.holders].sort() });
    away = undefined;
    owner = to;
  };
  for (const { at, host, isHere } of changes.toSorted((a, b) => a.at - b.at)) {
    if (has.has(host) === isHere) continue;
    if (isHere) has.add(host);
    else has.delete(host);
    away ??= { from: at, holders: new Set([owner]) };
    for (const one of has) away.holders.add(one);
    if (has.size === 1) close(at, [...has][0]!);
  }
  close(end, owner);
  return moves;
}

/** What one host's kernel has said of its card, line by line of `ip -o -ts`, and what of it is new. */
export class Card {
  readonly #vip: string;
  #hasAddress = false;
  #hasCable = true;

  constructor(vip: string) {
    this.#vip = vip;
  }

  get isHere(): boolean {
    return this.#hasAddress && this.#hasCable;
  }

  /** True when that has changed whether it is here. */
  take(line: string): boolean {
    const before = this.isHere;
    const [words = ''] = line.split('\\', 1);
    if (/ eth0[@:].* state /.test(words)) this.#hasCable = / state (UP|UNKNOWN) /.test(words);
    else if (words.includes(' eth0 ') && words.includes(` ${this.#vip}/`))
      this.#hasAddress = !words.includes('Deleted ');
    return this.isHere !== before;
  }
}

/** When it was said, by the clock of the records. Its clock is the time of day, which is compared with the other one just now. */
export function timeOf(line: string, skew = Date.now() - now()): number | undefined {
  const found = /^\[(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3})\d*\] /.exec(line)?.[1];
  return found === undefined ? undefined : Date.parse(`${found}Z`) - skew;
}

const LISTENS_WITHIN_MS = 10_000;
/** For documentation (RFC 5737): nobody's. */
const NOBODYS = '192.0.2.1/32';

/**
 * Tells what changes at a host until what it resolves with is called, from what is so at the beginning on. Throws LAB_FAILED where
 * there is nothing to listen by; `broke` is told when that ends early.
 */
export async function watchCard(
  { namespace, name }: NetnsHost,
  vip: string,
  tell: (isHere: boolean, at: number) => void,
  broke: (error: BatonError) => void,
): Promise<() => Promise<void>> {
  // Of all processes of a busy machine it has the first turn: its time is that of when it hears.
  const command = ['-n', '-20', 'ip', '-netns', namespace, '-o', '-ts', 'monitor', 'link', 'address'];
  const child = spawn('nice', command, {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { PATH: process.env.PATH, TZ: 'UTC' },
  });
  const gone = once(child, 'close').catch(() => {});
  const failed = (problem: string) => new BatonError('LAB_FAILED', { problem: `${problem} of ${name}` });
  let isOver = false;
  void gone.then(() => isOver || broke(failed('ip monitor ended, which tells of the address')));
  const stop = async () => {
    isOver = true;
    child.kill('SIGKILL');
    await gone;
  };
  const card = new Card(vip);
  let isHeard = false;
  createInterface({ input: child.stdout }).on('line', (line) => {
    isHeard = true;
    if (card.take(line)) tell(card.isHere, timeOf(line) ?? now());
  });
  try {
    const until = performance.now() + LISTENS_WITHIN_MS;
    // It says nothing of when it has begun to listen.
    while (!isHeard) {
      if (performance.now() > until) throw failed('ip monitor says nothing');
      await ip([`addr add ${NOBODYS} dev lo`, `addr del ${NOBODYS} dev lo`], namespace);
      await delay(50);
    }
    const show = ['ip', '-netns', namespace, '-o', '-batch', '-'] as const;
    const known = await run(show, 'link show dev eth0\naddr show dev eth0\n');
    for (const line of known.split('\n')) if (card.take(line)) tell(card.isHere, now());
  } catch (error) {
    await stop();
    throw error;
  }
  return stop;
}
