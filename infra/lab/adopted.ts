import { watchProcess } from '../../shared/sys/pidfd.ts';
import type { Service } from './lab.ts';

const STOP_WITHIN_MS = 5000;

/** A process that is nobody's child here, as the successor of a head is, as a service like those that were started here. */
export function adoptService(pid: number, ready: Service['ready']): Service {
  const send = (signal: NodeJS.Signals) => {
    try {
      process.kill(pid, signal);
    } catch {
      // It has ended.
    }
  };
  const last = () => send('SIGKILL');
  process.once('exit', last);
  const ended = new Promise<void>((resolve) => {
    const over = () => {
      process.off('exit', last);
      resolve();
    };
    try {
      watchProcess(pid, over, true);
    } catch {
      over();
    }
  });
  return {
    ready,
    pid,
    async stop() {
      send('SIGTERM');
      send('SIGCONT');
      const timer = setTimeout(last, STOP_WITHIN_MS);
      await ended;
      clearTimeout(timer);
    },
    async kill() {
      last();
      await ended;
    },
    freeze: async () => send('SIGSTOP'),
    resume: async () => send('SIGCONT'),
  };
}
