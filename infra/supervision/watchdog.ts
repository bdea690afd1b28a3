/** Tells a service manager that asks for it (`WatchdogSec=`, sd_watchdog_enabled(3)) that the event loop turns. */
import type { ServiceManager } from './service-manager.ts';

/** The shortest that is followed, milliseconds. */
const LEAST_MS = 100;

/** Says so at half of the time that the manager allows; nothing where none is asked for, or another process is meant. */
export function watchOver(
  manager: Pick<ServiceManager, 'say'> | undefined,
  { env, pid }: { readonly env: NodeJS.ProcessEnv; readonly pid: number } = process,
): void {
  const { WATCHDOG_USEC, WATCHDOG_PID } = env;
  if (!manager || WATCHDOG_USEC === undefined || (WATCHDOG_PID ?? String(pid)) !== String(pid)) return;
  const everyMs = Number(WATCHDOG_USEC) / 2000;
  if (!(everyMs >= LEAST_MS)) return;
  setInterval(() => manager.say('WATCHDOG=1'), Math.min(everyMs, 2 ** 31 - 1)).unref();
}
