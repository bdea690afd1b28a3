/** Whether all that happened in a run may happen, by what its processes wrote: at once, or again, of one that was kept. */
import { readFileSync } from 'node:fs';
import { cp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkTraces } from '../trace/index.ts';
import type { Change } from './addresses.ts';
import { checkVisits, type Found } from './check.ts';
import type { Happened, Sighting } from './happened.ts';
import { readRecords } from './records.ts';
import { isByRequest, type Schedule, scheduleSchema } from './schedule.ts';

/** What is known of a run besides what its processes wrote. */
export interface Run {
  readonly schedule: Schedule;
  readonly deliveries: readonly string[];
  readonly happened: readonly Happened[];
  readonly sightings: readonly Sighting[];
  /** What kernels have said of the address that two heads share: for who reads it, since what follows is among what happened. */
  readonly addresses: readonly Change[];
  /** What was seen to be wrong while it ran. */
  readonly problems: readonly string[];
  /** Processes that were killed, whoever wanted that. */
  readonly killed: readonly number[];
  /** Of processes that a signal has ended, whoever sent it. */
  readonly lastWords?: readonly (readonly [pid: number, words: string])[];
}

export interface Outcome extends Found, Pick<Run, 'happened' | 'schedule'> {}

export const traceOf = (folder: string): string => join(folder, 'trace');
const runFile = (folder: string): string => join(folder, 'run.json');

export function judge(folder: string, run: Run): Outcome {
  const { schedule, happened, problems, killed, lastWords = [] } = run;
  const known = { ...run, byRequest: isByRequest(schedule) };
  const found = checkVisits(readRecords(folder), happened, known);
  const { faults, ended } = checkTraces(traceOf(folder), { killed });
  // A signal that nobody has sent: it crashed.
  const crashed = lastWords.filter(([pid]) => !killed.includes(pid) && !ended.includes(pid));
  const violations = [
    ...problems,
    ...crashed.map(([pid, words]) => `${pid} ${words}`),
    ...found.violations,
    ...faults.map((problem) => `trace: ${problem}`),
  ];
  return { ...found, violations, happened, schedule };
}

/** Of a folder that `keepRun` has made. */
export const judgeAgain = (folder: string): Outcome => {
  const run = JSON.parse(readFileSync(runFile(folder), 'utf8')) as Run;
  return judge(folder, { ...run, schedule: scheduleSchema.parse(run.schedule) });
};

export async function keepRun(folder: string, to: string, run: Run, { violations }: Found): Promise<void> {
  await cp(folder, to, { recursive: true });
  await writeFile(runFile(to), JSON.stringify(run, null, 1));
  await writeFile(join(to, 'violations.txt'), violations.join('\n'));
}
