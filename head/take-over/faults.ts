/** What goes wrong between a head and its successor, in the words of either, and the end of one that cannot be told. */
import { BatonError } from '../../shared/errors.ts';

export const refusal = (problem: string): BatonError => new BatonError('TAKE_OVER_REFUSED', { problem });
export const failure = (problem: string): BatonError => new BatonError('TAKE_OVER_FAILED', { problem });

/** Never init, nor a whole group. */
export function killIfThere(pid: number): void {
  try {
    if (pid > 1) process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}
