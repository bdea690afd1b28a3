/** Clients that stay, and those that are in the midst of something: each until the end of the run, and again where it is cut off. */
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { formatHostPort, type HostPort } from '../../../shared/units.ts';
import { endedBy, Peer } from './peer.ts';
import type { Counts, Orders, stayKinds } from './result.ts';

/** Who was cut off or refused tries again after so long, milliseconds. */
const AGAIN_MS = 100;
const BODY = 'abcde';
const REQUEST = 'GET /bytes/5 HTTP/1.1\r\nHost: lab\r\n\r\n';
const FIRST_HALF = 'GET /bytes/5 HTTP/1.1\r\nHost: lab\r\nConn';
const SECOND_HALF = 'ection: close\r\n\r\n';
/** A head answers it itself, and its client does not stop. */
const BAD_REQUEST = 'GET / NONSENSE\r\n\r\n';
const LINGERS = 15;
const LINGER_EVERY_MS = 100;

const isWhole = (text: string): boolean => text.startsWith('HTTP/1.1 200 ') && text.endsWith(BODY);

export class Tally {
  readonly kind: (typeof stayKinds)[number];
  readonly connections: number;
  #asked = 0;
  #failed = 0;
  #longestMs = 0;
  readonly #ended: Record<string, number> = {};

  constructor(kind: (typeof stayKinds)[number], connections: number) {
    this.kind = kind;
    this.connections = connections;
  }

  /** A word is sent; what is called when it has its answer, with how the connection ended where it has none. */
  ask(): (how?: string) => void {
    const at = performance.now();
    this.#asked++;
    return (how) => {
      if (how !== undefined) this.#failed++;
      this.#longestMs = Math.max(this.#longestMs, performance.now() - at);
    };
  }

  end(how: string): void {
    this.#ended[how] = (this.#ended[how] ?? 0) + 1;
  }

  get counts(): Counts {
    const { kind, connections } = this;
    return {
      kind,
      connections,
      asked: this.#asked,
      failed: this.#failed,
      ended: this.#ended,
      longestMs: this.#longestMs,
    };
  }
}

export interface Stage {
  readonly orders: Orders;
  readonly targets: readonly HostPort[];
  /** Milliseconds of performance.now(). */
  readonly end: number;
}

const isOver = ({ end }: Stage): boolean => performance.now() >= end;

export async function keepAlive(stage: Stage, target: HostPort, tally: Tally): Promise<void> {
  while (!isOver(stage)) {
    const peer = new Peer(target);
    const how = await talk(stage, peer, tally);
    peer.close();
    if (how !== undefined && !isOver(stage)) {
      tally.end(how);
      await delay(AGAIN_MS);
    }
  }
}

/** How it was ended; undefined when the time is over. */
async function talk(stage: Stage, peer: Peer, tally: Tally): Promise<string | undefined> {
  while (!isOver(stage)) {
    const answered = tally.ask();
    peer.send(REQUEST);
    const how = (await peer.hear(isWhole)) ?? undefined;
    answered(how);
    const cut = how ?? (await peer.rest(stage.orders.everyMs));
    if (cut !== undefined) return cut;
  }
  return undefined;
}

export async function webSocket(stage: Stage, target: HostPort, tally: Tally): Promise<void> {
  while (!isOver(stage)) {
    const how = await echo(stage, target, tally);
    if (how !== undefined && !isOver(stage)) {
      tally.end(how);
      await delay(AGAIN_MS);
    }
  }
}

async function echo(stage: Stage, target: HostPort, tally: Tally): Promise<string | undefined> {
  const socket = new WebSocket(`ws://${formatHostPort(target)}/`, { perMessageDeflate: false });
  let ended: string | undefined;
  let onNews = () => {};
  const end = (how: string) => {
    ended ??= how;
    onNews();
  };
  let heard = '';
  socket.on('error', (error) => end(endedBy(error)));
  socket.on('close', () => end('closed'));
  socket.on('open', () => onNews());
  socket.on('message', (data) => {
    heard = data.toString();
    onNews();
  });
  const news = (withinMs: number) =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, withinMs);
      onNews = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  const until = async (isSo: () => boolean, withinMs: number): Promise<void> => {
    const by = performance.now() + withinMs;
    while (!isSo() && ended === undefined && performance.now() < by) await news(by - performance.now());
  };
  await until(() => socket.readyState === WebSocket.OPEN, 10_000);
  for (let n = 0; ended === undefined && !isOver(stage); n++) {
    const answered = tally.ask();
    socket.send(String(n));
    await until(() => heard === String(n), 10_000);
    if (heard !== String(n)) ended ??= 'late';
    answered(ended);
    await until(() => false, stage.orders.everyMs);
  }
  socket.terminate();
  return ended;
}

/** The two halves of a request's head. */
export async function halfHead(stage: Stage, target: HostPort, tally: Tally): Promise<void> {
  const peer = new Peer(target);
  const answered = tally.ask();
  peer.send(FIRST_HALF);
  let how = await peer.rest(stage.orders.halfMs);
  if (how === undefined) {
    peer.send(SECOND_HALF);
    how = await peer.hear(isWhole);
  }
  answered(how);
  if (how !== undefined) tally.end(how);
  peer.close();
}

/** One that has its answer and goes on sending for a while: nobody may reset it. */
export async function lingering(_: Stage, target: HostPort, tally: Tally): Promise<void> {
  const peer = new Peer(target, true);
  const answered = tally.ask();
  peer.send(BAD_REQUEST);
  let how = await peer.hear((text) => text.startsWith('HTTP/1.1 400 '));
  for (let i = 0; i < LINGERS && how === undefined; i++) {
    peer.send('x'.repeat(100));
    how = await peer.rest(LINGER_EVERY_MS);
  }
  answered(how);
  if (how !== undefined) tally.end(how);
  peer.end();
  await peer.rest(LINGER_EVERY_MS);
  peer.close();
}
