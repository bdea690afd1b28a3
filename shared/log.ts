/** Logs are JSON lines on stderr, or lines for a person where that is a terminal: stdout belongs to a command's answer. */
import { createRequire } from 'node:module';
import { isatty } from 'node:tty';
import type { Logger } from 'pino';
import { prettyLine } from './pretty.ts';

export type { Logger };

/** Loaded with the first log: whoever brings a logger of his own does not wait for this one. */
const require = createRequire(import.meta.url);

/** Synchronous, so that nothing is lost when the process ends. `BATON_LOG` sets the level (info). */
export function createLogger(name: string): Logger {
  const { pino } = require('pino') as typeof import('pino');
  const stderr = pino.destination({ dest: 2, sync: true });
  const colour = process.stderr.hasColors?.() ?? false;
  const destination = isatty(2)
    ? { write: (line: string) => stderr.write(prettyLine(line, colour)) }
    : stderr;
  return pino({ name, level: process.env.BATON_LOG ?? 'info', base: { pid: process.pid } }, destination);
}
