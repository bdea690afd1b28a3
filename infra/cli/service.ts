/** What `baton head` and `baton delivery` have in common: say when ready, stop on a signal, end on the second one. */

import { flushCompileCache } from 'node:module';
import { Output } from '../../shared/output.ts';
import { otherSignals, stopSignals } from '../processes/signals.ts';
import { serviceManager } from '../supervision/service-manager.ts';

/** One line of JSON on stdout, for whoever started the service; systemd is told in its own way. A full disk there is no reason to end. */
export function announce(value: object, isSuccessor = false): void {
  // First to who starts it again when it dies: one that dies before it was ready is not worth that.
  serviceManager?.say('READY=1', ...(isSuccessor ? [`MAINPID=${process.pid}`] : []));
  new Output(1, (dropped) => `${JSON.stringify({ dropped })}\n`).write(`${JSON.stringify(value)}\n`);
  // Else one that is killed leaves the next start from a checkout to compile all of it again. A package keeps nothing of the kind.
  flushCompileCache();
}

export interface Stoppable {
  /** Called once, perhaps before the service is ready. */
  stop(): Promise<void>;
  /** SIGHUP is the word to read files again; false: there are none, so that it is a word to stop as any other. */
  reload?(): Promise<boolean>;
  upgrade?(): void;
  /** Another process is this service by now. */
  hasSuccessor?(): boolean;
}

/**
 * Stops a service on a signal that would end the process; a second of those that mean it ends it at once. With `upgrade`
 * SIGUSR2 is the word to start a successor.
 */
export function stopOnSignal({ stop, reload, upgrade, hasSuccessor }: Stoppable): void {
  let stopping = false;
  const begin = (): void => {
    if (stopping) return;
    stopping = true;
    // Said by one that has a successor it would be taken for that one's word.
    if (!hasSuccessor?.()) serviceManager?.say('STOPPING=1');
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
        process.exit(1);
      },
    );
  };
  for (const name of stopSignals) {
    process.on(name, () => {
      if (!stopping) return begin();
      // Worker threads may be asleep in the kernel: exit() would wait for them, a signal's default action does not.
      for (const one of stopSignals) process.removeAllListeners(one);
      process.kill(process.pid, name);
    });
  }
  if (upgrade) process.on('SIGUSR2', () => stopping || upgrade());
  for (const name of otherSignals.filter((one) => one !== 'SIGUSR2' || !upgrade)) {
    process.on(name, () => {
      if (stopping) return;
      if (name !== 'SIGHUP' || !reload) return begin();
      // How a start has failed is told by who waits for it.
      reload().then((isDone) => isDone || begin(), begin);
    });
  }
}
