/** A head goes on when its keeper has gone, and says so: nobody would start it again. */
import type { Logger } from '../../shared/log.ts';
import { watchProcess } from '../../shared/sys/pidfd.ts';

export function watchKeeper(keeperPid: number, log: Logger): void {
  const gone = (): void =>
    log.warn(
      { keeperPid },
      'the keeper of this head has gone: should the head die, nobody starts another one',
    );
  try {
    watchProcess(keeperPid, gone, true);
  } catch {
    gone();
  }
}
