/** One connection of a client that wants to know how it ends. */
import { connect, type Socket } from 'node:net';
import type { HostPort } from '../../../shared/units.ts';

/** An answer that takes longer is none, milliseconds. */
const ANSWER_WITHIN_MS = 10_000;

const words: Readonly<Record<string, string>> = {
  ECONNRESET: 'reset',
  EPIPE: 'reset',
  ECONNREFUSED: 'refused',
  ETIMEDOUT: 'late',
};

/** How a connection ended, in one word. */
export const endedBy = (error: unknown): string => {
  const { code } = error as NodeJS.ErrnoException;
  return words[code ?? ''] ?? code ?? 'closed';
};

export class Peer {
  readonly #socket: Socket;
  #text = '';
  /** How it ended; undefined while it has not. */
  #ended: string | undefined;
  #onNews: () => void = () => {};

  /** `mayEnd`: the server's end of its side is no end of the connection. */
  constructor({ host, port }: HostPort, mayEnd = false) {
    this.#socket = connect({ host, port, noDelay: true, allowHalfOpen: true });
    this.#socket.setEncoding('latin1');
    this.#socket.on('data', (part: string) => {
      this.#text += part;
      this.#onNews();
    });
    this.#socket.on('error', (error) => this.#end(endedBy(error)));
    this.#socket.on('end', () => mayEnd || this.#end('closed'));
    this.#socket.on('close', () => this.#end('closed'));
  }

  #end(how: string): void {
    this.#ended ??= how;
    this.#onNews();
  }

  send(text: string): void {
    this.#text = '';
    this.#socket.write(text);
  }

  /** How it ended, unless `enough` says of what has come since the last word that it is all; 'late' when nothing ends it. */
  async hear(enough: (text: string) => boolean, withinMs = ANSWER_WITHIN_MS): Promise<string | undefined> {
    const end = performance.now() + withinMs;
    while (!enough(this.#text)) {
      if (this.#ended !== undefined) return this.#ended;
      if (performance.now() >= end) return 'late';
      await this.#news(end - performance.now());
    }
    return undefined;
  }

  /** So many milliseconds; earlier, and with how, when it ends. */
  async rest(ms: number): Promise<string | undefined> {
    const how = await this.hear(() => false, ms);
    return how === 'late' ? undefined : how;
  }

  #news(withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, withinMs);
      this.#onNews = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Its own end of its side. */
  end(): void {
    this.#socket.end();
  }

  close(): void {
    this.#socket.destroy();
  }
}
