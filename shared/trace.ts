/**
 * What heads and deliveries do with connections, one step a line: when, who, what with, which step, and what there is to say
 * of it. For the checker that holds the steps against docs/model/ (infra/trace/), and for whoever wants to see what happened.
 * On where BATON_TRACE (or --trace) names a folder, in which each process has a file; else `trace` is undefined, and costs
 * that look.
 *
 * A step is written when it has been made, at once, so that a process which is killed loses the last one at most. What
 * another process may answer has the time from before it was sent, and what was heard the time from after: so the steps of
 * all processes, in the order of time, are in an order in which they can have happened.
 */
import { constants, mkdirSync, openSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { threadId } from 'node:worker_threads';
import { BatonError } from './errors.ts';
import { Output } from './output.ts';
import type { Endpoint } from './sys/endpoints.ts';

/** Of a move to another host, in the words of docs/model/migration.pml. */
const migrationSteps = [
  'adopt',
  'forward',
  'commit',
  'release',
  'doubt',
  'resetAway',
  'confirmed',
  'prepare',
  'refuse',
  'activate',
  'abandon',
  /** The connection has made way for a new one with the same ends. */
  'outdated',
  'closed',
  // A delivery has given it back, and the head lets its copy live, under a name of its own.
  'restore',
  /** A head hears of it from its delivery, whichever head has moved it (docs/model/failover.pml). */
  'learn',
] as const;

/** Of the local handoff, in the words of docs/model/handoff.pml where it has the step. */
const handoffSteps = [
  // A head's main thread, of a place on the scoreboard: a delivery gets it, connections of before end, it is free.
  'member',
  'former',
  'elsewhere',
  'vacated',
  // Its workers, of a lane.
  'open',
  'hearEnded',
  'hearLate',
  'shutdown',
  'emptied',
  // Of a connection.
  'accept',
  'offer',
  'hearTaken',
  'hearReturned',
  'takeBack',
  'move',
  'moved',
  'kept',
  'postpone',
  'terminate',
  'answer',
  'fail',
  'close',
  // What a delivery has given back: it is the head's, or stays with the delivery.
  'regain',
  'decline',
  // From one head to its successor, which begins with it before the other leaves it.
  'succeed',
  'pass',
  // Of themselves, when they end.
  'counts',
  // A delivery, of a lane, and of a connection on it.
  'join',
  'take',
  'drop',
  'return',
  'ended',
  'leave',
  'serve',
  'give',
  'stay',
  'finish',
] as const;

/** Of distribution by request, in the words of docs/model/requests.pml: a delivery's, of a connection that it has. */
const requestSteps = [
  // What comes is looked at before it is read; Node reads it, until its answer has ended; nothing is known of it any more.
  'watch',
  'leaveToServer',
  'unwatch',
  // What was looked at is read, is asked about, waits until it can be, or stays after all.
  'read',
  'ask',
  'wait',
  // The kernel has told of it while it was held.
  'told',
  // Its server has read the first byte of one, and its answer has ended.
  'request',
  'response',
] as const;

/** Of a head and its successor, in the words of docs/model/takeover.pml; the subject is the socket between the two. */
const takeOverSteps = [
  // The predecessor's.
  'handOver',
  'frozen',
  'depart',
  'goOn',
  // The successor's.
  'takeOver',
  'ready',
  'confirm',
  'standIn',
  'giveUp',
  // Either's: it ends the other, which takes no word and has no last one.
  'endOther',
] as const;

/** Of a thread. */
const threadSteps = ['begin', 'end'] as const;

export const transitions = [
  ...migrationSteps,
  ...handoffSteps,
  ...requestSteps,
  ...takeOverSteps,
  ...threadSteps,
] as const;
export type Transition = (typeof transitions)[number];
export type MigrationStep = (typeof migrationSteps)[number];
export type RequestStep = (typeof requestSteps)[number];

/** What it is with, the step, and more of it; none of them with a blank. */
export type TraceStep = readonly [
  subject: string,
  transition: Transition,
  ...details: (string | number | bigint)[],
];

export interface Trace {
  /** A step that was made now. */
  say(...step: TraceStep): void;
  /** Steps made by one call, at that time (`now`): all of them are written, or none. */
  sayAt(at: bigint, steps: readonly TraceStep[]): void;
  /** Nanoseconds of the clock that is the same for all processes of one kernel. */
  now(): bigint;
}

const { O_WRONLY, O_CREAT, O_APPEND, O_NONBLOCK } = constants;

function openTrace(folder: string): Trace {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${process.pid}.trace`);
  const fd = openSync(file, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK, 0o600);
  const who = `${process.pid}.${threadId}`;
  const now = process.hrtime.bigint;
  const lineOf = (at: bigint, step: readonly unknown[]): string => `${at} ${who} ${step.join(' ')}\n`;
  // Before the output's own last look.
  process.on('exit', () => output.write(lineOf(now(), ['-', 'end'])));
  const output = new Output(fd, (dropped) => lineOf(now(), ['-', 'dropped', dropped]));
  const opened: Trace = {
    say: (...step) => output.write(lineOf(now(), step)),
    sayAt: (at, steps) => output.write(steps.map((step) => lineOf(at, step)).join('')),
    now,
  };
  opened.say('-', 'begin');
  return opened;
}

/** Throws BAD_OPTION. */
function openFor(option: string, folder: string): Trace {
  try {
    return openTrace(folder);
  } catch (error) {
    const problem = `cannot write there: ${(error as Error).message}`;
    throw new BatonError('BAD_OPTION', { option, problem, value: JSON.stringify(folder) }, error);
  }
}

const { BATON_TRACE } = process.env;
export let trace: Trace | undefined = BATON_TRACE ? openFor('BATON_TRACE', BATON_TRACE) : undefined;

/** From now on this process writes there, and the threads and processes that it starts. Throws BAD_OPTION. */
export function traceTo(folder: string): void {
  if (trace) return;
  const absolute = resolve(folder);
  trace = openFor('--trace', absolute);
  process.env.BATON_TRACE = absolute;
}

/** The ends of a connection in a trace: client, server. */
export const endsText = (client: Endpoint, server: Endpoint): string =>
  `${endText(client)}-${endText(server)}`;

const endText = ({ address, port }: Endpoint): string =>
  address.length === 4 ? `${address.join('.')}:${port}` : `[${Buffer.from(address).toString('hex')}]:${port}`;
