/** What each worker is told at its start, out of the head's settings. */
import type { HeadSettings } from '../shared/config.ts';
import type { Limits } from './limits.ts';
import type { ScoreboardMemory } from './scoreboard.ts';
import type { WorkerSettings } from './worker-messages.ts';

/** Whose listener it is: where there are more than workers, each has several, so that every queue is emptied. */
export const workerOf = (listener: number, workers: number): number => listener % workers;

/** For each worker; the listeners, at least one for each, are theirs from then on. */
export const workerSettings = (
  settings: HeadSettings,
  limits: Limits,
  scoreboard: ScoreboardMemory,
  listeners: readonly number[],
): Omit<WorkerSettings, 'wake'>[] =>
  Array.from({ length: settings.workers }, (_, index) => ({
    index,
    scoreboard,
    listeners: listeners.filter((_, listener) => workerOf(listener, settings.workers) === index),
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
