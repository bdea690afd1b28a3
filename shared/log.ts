/** Logs are JSON lines on stderr: stdout belongs to a command's answer. */
import { type Logger, pino } from 'pino';

export type { Logger };

/** Synchronous, so that nothing is lost when the process ends. `BATON_LOG` sets the level (info). */
export function createLogger(name: string): Logger {
  return pino(
    { name, level: process.env.BATON_LOG ?? 'info', base: { pid: process.pid } },
    pino.destination({ dest: 2, sync: true }),
  );
}
