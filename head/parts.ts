/** What a head has on its main thread, besides threads, and what each of its parts has of the others. */
import type { HeadSettings } from '../shared/config.ts';
import type { Logger } from '../shared/log.ts';
import type { Readiness } from '../shared/status.ts';
import { Distribution } from './distribution.ts';
import { Doors, socketOf } from './doors.ts';
import { Drained } from './drained.ts';
import { Figures } from './figures.ts';
import type { Head } from './head.ts';
import type { Inherited, OnSockets } from './inherited.ts';
import { createMetrics } from './metrics.ts';
import { Opening } from './opening.ts';
import { Pulse } from './pulse.ts';
import { Registry } from './registry.ts';
import type { Reloads } from './reload.ts';
import type { RegistryTimes } from './rounds.ts';
import { createScoreboardMemory, Scoreboard, type ScoreboardMemory, WorkerCounters } from './scoreboard.ts';
import { Departure } from './take-over/departure.ts';
import { Succession } from './take-over/predecessor.ts';
import { VisitorListeners } from './visitor-listeners.ts';
import type { ToWorker } from './worker-messages.ts';
import type { Workers } from './workers.ts';

/** What the head does for its parts. */
export interface Hub extends Pick<Head, 'status' | 'setMode' | 'drain' | 'reload' | 'upgrade'> {
  readonly settings: HeadSettings;
  /** Undefined until they have started. */
  readonly workers: Workers | undefined;
  readonly reloads: Pick<Reloads, 'doneAt'>;
  /** Whether clients should come here. */
  ready(): Readiness;
  /** Another is the head. */
  departs(): void;
}

interface Wanted {
  readonly settings: HeadSettings;
  readonly log: Logger;
  readonly group: number | undefined;
  readonly inherited: Inherited;
  readonly successor: readonly string[] | undefined;
  readonly onSockets: OnSockets | undefined;
}

export interface HeadParts {
  readonly memory: ScoreboardMemory;
  readonly scoreboard: Scoreboard;
  readonly figures: Figures;
  readonly pulse: Pulse;
  readonly drained: Drained;
  readonly registry: Registry;
  readonly distribution: Distribution;
  readonly opening: Opening;
  readonly doors: Doors;
  readonly listeners: VisitorListeners;
  readonly departure: Departure;
  readonly succession: Succession;
  readonly tell: (worker: number, message: ToWorker) => void;
  /** Tells `onSockets` of all that it listens with. */
  readonly tellSockets: () => void;
}

export const timesOf = ({ stallTimeout, forgetAfter }: HeadSettings): RegistryTimes => ({
  stallTimeoutMs: stallTimeout,
  forgetAfterMs: forgetAfter,
});

/** Opens nothing. */
export function createParts(
  { settings, log, group, inherited, successor, onSockets }: Wanted,
  hub: Hub,
): HeadParts {
  const tell = (worker: number, message: ToWorker): void => hub.workers?.tell(worker, message);
  const memory = createScoreboardMemory(settings.workers);
  const scoreboard = new Scoreboard(memory);
  scoreboard.setMode(settings.mode);
  const rows = Array.from({ length: settings.workers }, (_, worker) => new WorkerCounters(memory, worker));
  const figures = new Figures(rows);
  const pulse = new Pulse(rows, (worker) => hub.workers?.runs(worker) ?? false, log);
  const drained = new Drained(socketOf(settings), log);
  const opening = new Opening(() => hub.workers?.tellAll({ type: 'accept' }), log);
  const registry: Registry = new Registry({
    scoreboard,
    rows,
    tell,
    times: timesOf(settings),
    drained,
    onUp: () => opening.up(registry.names),
    onChange: () => distribution.changed(),
    log,
  });
  const distribution: Distribution = new Distribution(settings, () => registry.members);
  const metrics = createMetrics({
    rows,
    status: () => hub.status(),
    total: (name) => figures.counts.totals[name],
    migration: () => doors.remote?.measures,
  });
  const doors: Doors = new Doors({
    settings,
    group,
    inherited,
    registry,
    administered: {
      status: () => hub.status(),
      ready: () => hub.ready(),
      setMode: (mode) => hub.setMode(mode),
      drain: (name, on, move) => hub.drain(name, on, move),
      reload: () => hub.reload(),
      metrics,
      upgrade: () => hub.upgrade(),
      takeOver: (socket, versions) => succession.ask(socket, versions),
    },
    metrics,
    tell,
    log,
    onMade: () => tellSockets(),
  });
  const listeners = new VisitorListeners();
  const sockets = () => [...listeners.sockets, ...doors.sockets];
  const tellSockets = () => onSockets?.(sockets());
  const departure = new Departure({
    doors,
    registry,
    scoreboard,
    workers: () => hub.workers,
    sockets,
    stopTimeoutMs: () => hub.settings.stopTimeout,
    reloadedAt: () => hub.reloads.doneAt,
    onDepart: () => hub.departs(),
  });
  const succession = new Succession(departure, successor, log);
  return {
    memory,
    scoreboard,
    figures,
    pulse,
    drained,
    registry,
    distribution,
    opening,
    doors,
    listeners,
    departure,
    succession,
    tell,
    tellSockets,
  };
}
