/** What a worker consists of, and what each of its parts has of the others. */
import type { Calls } from '../../shared/sys/calls.ts';
import { createEpoll, type Epoll } from '../../shared/sys/epoll.ts';
import { PlainCalls } from '../../shared/sys/plain-calls.ts';
import { openRing } from '../../shared/sys/ring.ts';
import { Scoreboard, WorkerCounters } from '../scoreboard.ts';
import type { FromWorker, ToWorker, Tuning, WorkerSettings } from '../worker-messages.ts';
import type { Clock } from './clock.ts';
import { Connections } from './connections.ts';
import { WorkerDesk } from './desk.ts';
import { Lanes, type Remote } from './lanes.ts';
import { Linger } from './linger.ts';
import { Listener } from './listener.ts';
import { Orders, type OrdersParts } from './orders.ts';
import { Passing } from './passing.ts';
import { Postponed } from './postponed.ts';
import { RequestReader } from './reader.ts';
import { Router } from './router.ts';
import { TerminatedReader, Terminator } from './terminated.ts';

/** Events of one wait. */
const EVENTS = 512;

export interface MainThread {
  /** Its next message, if there is one. */
  readonly receive: () => ToWorker | undefined;
  readonly tell: (message: FromWorker) => void;
}

/** What the loop does for its parts. */
export interface Hub extends Pick<OrdersParts, 'accept' | 'tune' | 'stop'> {
  /** It has been told to. */
  readonly isStopping: () => boolean;
  /** A connection was accepted. */
  readonly open: (fd: number, addressHash: number) => void;
  /** Ends the connection that can best be spared; false when there is none. */
  readonly makeRoom: () => boolean;
  /** epoll has said something of a connection. */
  readonly onEvent: (fd: number, events: number) => void;
}

export interface WorkerParts {
  readonly clock: Clock;
  /** The parts have this object, not what is in it: it changes under them. */
  readonly tuning: { -readonly [key in keyof Tuning]: Tuning[key] };
  readonly scoreboard: Scoreboard;
  readonly counters: WorkerCounters;
  readonly epoll: Epoll;
  readonly calls: Calls;
  readonly connections: Connections;
  readonly router: Router;
  readonly desk: WorkerDesk;
  readonly linger: Linger;
  readonly postponed: Postponed;
  readonly reader: RequestReader;
  readonly lanes: Lanes;
  readonly listeners: readonly Listener[];
  readonly terminated: TerminatedReader;
  readonly orders: Orders;
  readonly passing: Passing;
}

/** Connections may still come. */
export const isListening = (listeners: readonly Listener[]): boolean =>
  listeners.some(({ isOpen }) => isOpen);

export function createParts(
  settings: WorkerSettings,
  hub: Hub,
  tell: MainThread['tell'],
  remote: Remote | undefined,
): WorkerParts {
  const { headBytesMax } = settings;
  const tuning = { ...settings.tuning };
  const clock: Clock = { now: performance.now() };
  const scoreboard = new Scoreboard(settings.scoreboard);
  const counters = new WorkerCounters(settings.scoreboard, settings.index);
  const epoll = createEpoll(EVENTS);
  const calls = (settings.ioUring ? openRing() : undefined) ?? new PlainCalls();
  const connections = new Connections(settings.fdCapacity, epoll, calls, counters);
  const linger = new Linger(connections, calls, tuning);
  const router = new Router({
    scoreboard,
    connections,
    clock,
    policy: tuning.policy,
    shared: settings.shared,
  });
  const postponed = new Postponed(connections, tuning, (fd, from) => reader.again(fd, from));
  const terminator = new Terminator(connections, tell);
  const desk = new WorkerDesk({
    scoreboard,
    counters,
    connections,
    router,
    postponed,
    terminator,
    linger,
    calls,
    clock,
    headBytesMax,
  });
  const reader = new RequestReader({ connections, desk, calls, clock, tuning, headBytesMax });
  const terminated = new TerminatedReader(connections, desk, terminator, tuning);
  const lanes = new Lanes({
    epoll,
    router,
    desk,
    reader,
    counters,
    connections,
    scoreboard,
    clock,
    tuning,
    headBytesMax,
    remote,
    mayRegain: () => !passing.isFrozen && !hub.isStopping(),
    tell,
  });
  const listeners: readonly Listener[] = settings.listeners.map(
    (listener, index) =>
      new Listener({
        listener,
        index,
        epoll,
        calls,
        row: counters,
        tuning,
        router,
        onConnection: hub.open,
        makeRoom: hub.makeRoom,
        onClosed: () => {
          if (!isListening(listeners)) tell({ type: 'closed' });
        },
      }),
  );
  const { outbox } = desk;
  const { onEvent, accept, tune, stop } = hub;
  const passing = new Passing({
    connections,
    listeners,
    reader,
    postponed,
    outbox,
    linger,
    lanes,
    clock,
    tell,
    onEvent,
  });
  const orders = new Orders({ passing, lanes, postponed, terminator, terminated, accept, tune, stop });
  return {
    clock,
    tuning,
    scoreboard,
    counters,
    epoll,
    calls,
    connections,
    router,
    desk,
    linger,
    postponed,
    reader,
    lanes,
    listeners,
    terminated,
    orders,
    passing,
  };
}
