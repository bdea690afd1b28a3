/** What each worker is told at its start, and when settings change, out of the head's settings. */
import { HEAD_BYTES_MAX, type HeadSettings } from '../shared/config.ts';
import { createShared } from './choose/index.ts';
import type { Limits } from './limits.ts';
import type { ScoreboardMemory } from './scoreboard.ts';
import type { Tuning, WorkerSettings } from './worker-messages.ts';

export const tuningOf = (settings: HeadSettings, connectionsAWorker: number): Tuning => ({
  policy: settings.policy,
  maxConnections: connectionsAWorker,
  backlog: settings.backlog,
  deferAcceptMs: settings.deferAccept,
  headBytes: settings.headBytes,
  headTimeoutMs: settings.headTimeout,
  lingerIdleMs: settings.lingerIdle,
  lingerTotalMs: settings.lingerTotal,
  lingerBytes: settings.lingerBytes,
  stallTimeoutMs: settings.stallTimeout,
});

/** Whose listener it is: where there are more than workers, each has several, so that every queue is emptied. */
export const workerOf = (listener: number, workers: number): number => listener % workers;

/** For each worker; the listeners, at least one for each, are theirs from then on. */
export const workerSettings = (
  settings: HeadSettings,
  limits: Limits,
  scoreboard: ScoreboardMemory,
  listeners: readonly number[],
  rehearsesVisits: boolean,
): Omit<WorkerSettings, 'wake'>[] => {
  const shared = createShared();
  return Array.from({ length: settings.workers }, (_, index) => ({
    index,
    scoreboard,
    shared,
    listeners: listeners.filter((_, listener) => workerOf(listener, settings.workers) === index),
    tuning: tuningOf(settings, limits.connectionsAWorker),
    headBytesMax: HEAD_BYTES_MAX,
    fdCapacity: limits.fdCapacity,
    mayMove: settings.control !== undefined,
    ioUring: settings.ioUring === 'auto',
    rehearsesVisits,
  }));
};
