/** Logs are JSON lines on stderr, or lines for a person where that is a terminal: stdout belongs to a command's answer. */
import { createRequire } from 'node:module';
import { isatty } from 'node:tty';
import type { Logger } from 'pino';
import { BatonError } from './errors.ts';
import { Output } from './output.ts';
import { prettyLine } from './pretty.ts';

export type { Logger };

/** Loaded with the first log: whoever brings a logger of his own does not wait for this one. */
const require = createRequire(import.meta.url);

const stderr = new Output(2, (dropped) => {
  const msg = `${dropped} lines of the log were dropped: stderr took no more`;
  return `${JSON.stringify({ level: 40, time: Date.now(), pid: process.pid, name: 'log', dropped, msg })}\n`;
});

/** Each line is written before the call returns, so that none is lost when the process ends. `BATON_LOG` sets the level (info). */
export function createLogger(name: string): Logger {
  const { pino } = require('pino') as typeof import('pino');
  const colour = process.stderr.hasColors?.() ?? false;
  const destination = isatty(2)
    ? { write: (line: string) => stderr.write(prettyLine(line, colour)) }
    : stderr;
  return pino({ name, level: process.env.BATON_LOG ?? 'info', base: { pid: process.pid } }, destination);
}

/**
 * How loud an error is: what passes by itself, and what somebody else did wrong, is a warning; what is wrong with this
 * process or its kernel, and stays so, is an error.
 */
export function levelOf(error: unknown): 'warn' | 'error' {
  if (!(error instanceof BatonError)) return 'error';
  return error.retry || (error.fault !== 'head' && error.fault !== 'kernel') ? 'warn' : 'error';
}

/** For lines that a peer can cause at will: some a second, and the first of the next second tells how many were left out. */
export class Sparingly {
  readonly #lines: number;
  readonly #everyMs: number;
  #windowEnds = 0;
  #said = 0;
  #unsaid = 0;

  constructor(lines = 10, everyMs = 1000) {
    this.#lines = lines;
    this.#everyMs = everyMs;
  }

  /** Calls `say` if there is room, with what to add to the line. */
  tell(say: (more: { unsaid?: number }) => void): void {
    const now = performance.now();
    if (now >= this.#windowEnds) {
      this.#windowEnds = now + this.#everyMs;
      this.#said = 0;
    }
    if (this.#said === this.#lines) {
      this.#unsaid++;
      return;
    }
    this.#said++;
    const unsaid = this.#unsaid;
    this.#unsaid = 0;
    say(unsaid > 0 ? { unsaid } : {});
  }
}
