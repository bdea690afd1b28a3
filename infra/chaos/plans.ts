/** What a client under chaos asks: requests in pieces, with pauses where somebody could break something. */
import { createHash, randomBytes } from 'node:crypto';
import type { Random } from '../statistics/random.ts';

/** One request as it is sent: pieces, with a pause before each of them, milliseconds. */
export interface Plan {
  readonly id: string;
  readonly kind: string;
  readonly pieces: readonly (readonly [pauseMs: number, bytes: string | Buffer])[];
  /** Of the body, which the delivery must have heard. */
  readonly heard: string;
  /** Of the answer, besides its line. */
  readonly bytes: number;
  /** Read so slowly: a pause after each piece that arrives. */
  readonly readPauseMs: number;
  /** The client goes after so long, whatever has come. */
  readonly leavesAfterMs?: number;
}

/** `isFirst` on its connection. */
type Maker = (id: string, isFirst: boolean) => Plan;
const NOTHING = createHash('sha1').digest('hex');
const get = (path: string, more = '') => `GET /${path} HTTP/1.1\r\nHost: chaos.test\r\n${more}\r\n`;
const plain = (kind: string, id: string, query: string, bytes = 0, readPauseMs = 0): Plan => ({
  id,
  kind,
  pieces: [[0, get(`${id}?${query}bytes=${bytes}`)]],
  heard: NOTHING,
  bytes,
  readPauseMs,
});

/** A client's longest pause between two requests, milliseconds. */
export const PAUSE_MAX_MS = 600;

/** Of the kinds of those that speak no HTTP any more. */
export const UPGRADED = 'upgraded';

export interface Choice {
  /** How many such requests it makes, one after the other, and the longest pause between two of them, milliseconds. */
  readonly turns: number;
  readonly pauseMs: number;
  readonly make: Maker;
  /** Connections that are upgraded: whether they can be moved. */
  readonly upgraded?: 'moves' | 'stays';
}

type Share = readonly [share: number, turns: number, make: Maker, pauseMs?: number];

/** Which share of the visits makes what. */
function sharesOf(random: Random): readonly Share[] {
  const between = (least: number, most: number) => least + random() * (most - least);
  return [
    [0.26, 1, (id) => plain('short', id, '')],
    [0.15, 4, (id) => plain('kept alive', id, '')],
    // Through whatever happens to those who serve it, and without a pause in which it could be moved.
    [0.05, 40, (id) => plain('kept for long', id, '')],
    [0.01, 150, (id) => plain('never rests', id, '', 200), 0],
    [0.1, 1, (id) => plain('slow answer', id, `wait=${Math.floor(between(50, 2500))}&`)],
    [0.1, 1, (id) => plain('large', id, '', 100_000)],
    [0.06, 1, (id) => plain('slow reader', id, '', 3_000_000, 20)],
    [
      0.1,
      1,
      (id) => {
        const whole = get(id, `X-Filler: ${'y'.repeat(Math.floor(between(0, 3000)))}\r\n`);
        const cut = Math.max(1, Math.floor(random() * whole.length));
        const pieces = [
          [0, whole.slice(0, cut)],
          [between(20, 1500), whole.slice(cut)],
        ] as const;
        return { id, kind: 'half a head', pieces, heard: NOTHING, bytes: 0, readPauseMs: 0 };
      },
    ],
    [
      0.12,
      1,
      (id) => {
        const body = randomBytes(Math.floor(between(1, 60_000)));
        const head = `POST /${id} HTTP/1.1\r\nHost: chaos.test\r\nContent-Length: ${body.length}\r\n\r\n`;
        const cut = Math.floor(random() * body.length);
        const heard = createHash('sha1').update(body).digest('hex');
        const pieces = [
          [0, head],
          [between(0, 50), body.subarray(0, cut)],
          [between(0, 1000), body.subarray(cut)],
        ] as const;
        return { id, kind: 'body in pieces', pieces, heard, bytes: 0, readPauseMs: 0 };
      },
    ],
    [0.05, 1, (id) => ({ ...plain('leaves', id, 'wait=500&', 10_000), leavesAfterMs: between(0, 700) })],
  ];
}

/** Of a line and its answer, in between which it cannot move: milliseconds at most. */
const LINE_MS = 400;

/** The first one asks for the upgrade, the others are lines, in pieces some of them. */
function upgraded(random: Random, how: 'moves' | 'stays'): Maker {
  const kind = `${UPGRADED}, ${how}`;
  return (id, isFirst) => {
    const line = `${JSON.stringify({ id, wait: random() < 0.2 ? Math.floor(random() * LINE_MS) : 0 })}\n`;
    const cut = random() < 0.2 ? Math.floor(random() * line.length) : line.length;
    const pieces: Plan['pieces'] = isFirst
      ? [[0, get(`${id}${how === 'stays' ? '?stays=1' : ''}`, 'Connection: Upgrade\r\nUpgrade: chaos\r\n')]]
      : [
          [0, line.slice(0, cut)],
          [random() * LINE_MS, line.slice(cut)],
        ];
    return { id, kind, pieces, heard: NOTHING, bytes: 0, readPauseMs: 0 };
  };
}

/**
 * Of each client some connections that live as long as they are let, each followed by another of its kind. One of them hardly
 * ever rests.
 */
export function livesOf(random: Random): readonly Choice[] {
  const turns = Number.POSITIVE_INFINITY;
  const keptAlive = (id: string) => plain('lives on', id, '');
  const talk = (how: 'moves' | 'stays', pauseMs: number): Choice => ({
    ...{ turns, pauseMs, make: upgraded(random, how), upgraded: how },
  });
  return [
    { turns, pauseMs: PAUSE_MAX_MS, make: keptAlive },
    { turns, pauseMs: PAUSE_MAX_MS, make: keptAlive },
    { turns, pauseMs: 20, make: keptAlive },
    ...[talk('moves', PAUSE_MAX_MS), talk('moves', PAUSE_MAX_MS), talk('moves', 40)],
    talk('stays', PAUSE_MAX_MS),
  ];
}

/** The next visit: drawn by their shares. */
export function createChoice(random: Random): () => Choice {
  const shares = sharesOf(random);
  return () => {
    let at = random();
    for (const [share, turns, make, pauseMs = PAUSE_MAX_MS] of shares) {
      at -= share;
      if (at < 0) return { turns, pauseMs, make };
    }
    return { turns: 1, pauseMs: 0, make: shares[0]![2] };
  };
}
