/**
 * The application's code where Baton has more to do after it: methods that it may have put on its sockets, the log that it
 * brings along.
 */
import type { Logger } from '../shared/log.ts';

/** Calls `run`; what that throws goes where an exception of a callback goes, and the caller goes on. */
export function apart(run: () => void): void {
  try {
    run();
  } catch (error) {
    setImmediate(() => {
      throw error;
    });
  }
}

type Say = (fields: object, text: string) => void;

/** What is said of a delivery. */
export interface Log {
  readonly info: Say;
  readonly warn: Say;
  readonly error: Say;
}

/** The same log, but a line that cannot be written stops nothing: nobody is to lose connections by a full disk. */
export function carefully(log: Logger): Log {
  const say =
    (level: keyof Log): Say =>
    (fields, text) => {
      try {
        log[level](fields, text);
      } catch {
        // Whom to tell? It is the log that fails.
      }
    };
  return { info: say('info'), warn: say('warn'), error: say('error') };
}
