/** Tells a service manager that asks for it (`WatchdogSec=`, sd_watchdog_enabled(3)) that the service turns. */
import type { ServiceManager } from './service-manager.ts';

/** The shortest that is followed, milliseconds. */
const LEAST_MS = 100;
/** It is said at least so often, milliseconds: who is busy for long has many occasions. */
const EVERY_MS = 1000;

/**
 * Says so at half of the time that the manager allows, or each second, whenever the event loop turns and `isWell` says that all
 * else does; nothing where none is asked for, or another process is meant.
 */
export function watchOver(
  manager: Pick<ServiceManager, 'say'> | undefined,
  isWell: () => boolean,
  { env, pid }: { readonly env: NodeJS.ProcessEnv; readonly pid: number } = process,
): void {
  const { WATCHDOG_USEC, WATCHDOG_PID } = env;
  if (!manager || WATCHDOG_USEC === undefined || (WATCHDOG_PID ?? String(pid)) !== String(pid)) return;
  const halfMs = Number(WATCHDOG_USEC) / 2000;
  if (!(halfMs >= LEAST_MS)) return;
  setInterval(() => isWell() && manager.say('WATCHDOG=1'), Math.min(halfMs, EVERY_MS)).unref();
}
