/** What each worker is told at its start, out of the head's settings. */
import type { HeadSettings } from '../shared/config.ts';
import type { Limits } from './limits.ts';
import type { ScoreboardMemory } from './scoreboard.ts';
import type { WorkerSettings } from './worker-messages.ts';

/** One for each of `listeners`, which are the workers' from then on. */
export const workerSettings = (
  settings: HeadSettings,
  limits: Limits,
  scoreboard: ScoreboardMemory,
  listeners: readonly number[],
): Omit<WorkerSettings, 'wake'>[] =>
  listeners.map((listener, index) => ({
    index,
    scoreboard,
    listener,
    backlog: settings.backlog,
    deferAcceptMs: settings.deferAccept,
    policy: settings.policy,
    fdCapacity: limits.fdCapacity,
    maxConnections: limits.connectionsAWorker,
    headBytes: settings.headBytes,
    headTimeoutMs: settings.headTimeout,
    lingerIdleMs: settings.lingerIdle,
    lingerTotalMs: settings.lingerTotal,
    lingerBytes: settings.lingerBytes,
    stallTimeoutMs: settings.stallTimeout,
    ioUring: settings.ioUring === 'auto',
  }));
