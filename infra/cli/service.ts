/** What `baton head` and `baton delivery` have in common: say when ready, stop on a signal, end on the second one. */

import { Output } from '../../shared/output.ts';
import { notifySystemd } from './notify-systemd.ts';

/** One line of JSON on stdout, for whoever started the service; systemd is told in its own way. A full disk there is no reason to end. */
export function announce(value: object): void {
  new Output(1, (dropped) => `${JSON.stringify({ dropped })}\n`).write(`${JSON.stringify(value)}\n`);
  notifySystemd();
}

/** Calls `stop` on SIGTERM or SIGINT; a second signal ends the process at once. */
export function stopOnSignal(stop: () => Promise<void>): void {
  let signals = 0;
  const onSignal = (signal: NodeJS.Signals): void => {
    signals++;
    if (signals > 1) {
      // Worker threads may be asleep in the kernel: exit() would wait for them, a signal's default action does not.
      for (const name of ['SIGTERM', 'SIGINT'] as const) process.removeAllListeners(name);
      process.kill(process.pid, signal);
      return;
    }
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
}
