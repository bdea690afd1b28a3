/** What `baton head` and `baton delivery` have in common: say when ready, stop on a signal, end on the second one. */

import { Output } from '../../shared/output.ts';
import { notifySystemd } from './notify-systemd.ts';

/** One line of JSON on stdout, for whoever started the service; systemd is told in its own way. A full disk there is no reason to end. */
export function announce(value: object, isSuccessor = false): void {
  new Output(1, (dropped) => `${JSON.stringify({ dropped })}\n`).write(`${JSON.stringify(value)}\n`);
  notifySystemd(undefined, isSuccessor);
}

/** People and supervisors stop a service with these, and mean it when they say it twice. */
const STOP = ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const;
/**
 * Each ends a process that does not listen to it: a terminal that closes, `timeout -s`, a watcher of files, a power supply.
 * None is a word that a head or a delivery knows, so that they stop in order, and terminals may say it twice. SIGUSR1 is
 * Node's own (its inspector); SIGPROF belongs to V8's profiler.
 */
const OTHERS = [
  'SIGHUP',
  'SIGALRM',
  'SIGUSR2',
  'SIGVTALRM',
  'SIGIO',
  'SIGPWR',
  'SIGSTKFLT',
  'SIGXCPU',
] as const;

/**
 * Calls `stop` on a signal that would end the process; a second of those that mean it ends it at once. With `reload` SIGHUP
 * is the word to read files again, where there are any; with `upgrade` SIGUSR2 is the word to start a successor.
 */
export function stopOnSignal(stop: () => Promise<void>, reload?: () => boolean, upgrade?: () => void): void {
  let stopping = false;
  const begin = (): void => {
    if (stopping) return;
    stopping = true;
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
        process.exit(1);
      },
    );
  };
  for (const name of STOP) {
    process.on(name, () => {
      if (!stopping) return begin();
      // Worker threads may be asleep in the kernel: exit() would wait for them, a signal's default action does not.
      for (const one of STOP) process.removeAllListeners(one);
      process.kill(process.pid, name);
    });
  }
  if (upgrade) process.on('SIGUSR2', () => stopping || upgrade());
  for (const name of OTHERS.filter((one) => one !== 'SIGUSR2' || !upgrade))
    process.on(name, () => void ((name === 'SIGHUP' && reload?.()) || begin()));
}
