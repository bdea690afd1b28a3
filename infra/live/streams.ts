/** Pages that look on: each gets the seconds that it has missed, as far as they are kept, and then one a second. */
import type { ServerResponse } from 'node:http';
import type { Tick } from './tick.ts';

/** A quarter of an hour. */
export const KEPT_TICKS = 900;
const PAGES_MAX = 24;
/** A page that reads nothing for so long is asleep; it asks for what it has missed when it is awake. */
const UNREAD_MAX = 8 * 1024 * 1024;

export class Streams {
  readonly #kept: { n: number; text: string }[] = [];
  readonly #pages = new Set<ServerResponse>();

  get pages(): number {
    return this.#pages.size;
  }

  /** `after`: the number of the last second that it has. False when there are too many. */
  add(response: ServerResponse, after: number): boolean {
    if (this.#pages.size >= PAGES_MAX) return false;
    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    });
    response.write('retry: 1000\n\n');
    for (const { n, text } of this.#kept) if (n > after) response.write(text);
    this.#pages.add(response);
    response.once('close', () => this.#pages.delete(response));
    return true;
  }

  send(tick: Tick): void {
    const text = `id: ${tick.n}\ndata: ${JSON.stringify(tick)}\n\n`;
    this.#kept.push({ n: tick.n, text });
    if (this.#kept.length > KEPT_TICKS) this.#kept.shift();
    for (const page of this.#pages) {
      if (page.writableLength > UNREAD_MAX) page.destroy();
      else page.write(text);
    }
  }

  /** Nothing comes any more, and pages need not ask again. */
  end(event: string, data: unknown): void {
    for (const page of this.#pages) page.end(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  }
}
