/**
 * Transitions of connections that move between hosts, one a line: when, which process, which migration, what. For the
 * checker that holds them against docs/model/migration.pml (infra/trace/), and for whoever wants to see what happened. On
 * where BATON_TRACE names a folder, in which each process has a file; else `trace` is undefined, and costs that look.
 */
import { constants, openSync } from 'node:fs';
import { join } from 'node:path';
import { Output } from './output.ts';

/** What a head and a delivery do with a migration, in the words of the model. */
export const transitions = [
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
  'closed',
] as const;
export type Transition = (typeof transitions)[number];

export type Trace = (id: number, transition: Transition) => void;

const { O_WRONLY, O_CREAT, O_APPEND, O_NONBLOCK } = constants;

function openTrace(folder: string | undefined): Trace | undefined {
  if (!folder) return undefined;
  const file = join(folder, `${process.pid}.trace`);
  const output = new Output(openSync(file, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK, 0o600), (dropped) =>
    traceLine('dropped', dropped),
  );
  return (id, transition) => output.write(traceLine(transition, id));
}

/** The clock is the same for all processes of one kernel. */
const traceLine = (what: string, id: number): string =>
  `${process.hrtime.bigint()} ${process.pid} ${id} ${what}\n`;

export const trace: Trace | undefined = openTrace(process.env.BATON_TRACE);
