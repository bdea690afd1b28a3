/**
 * Whether what heads and deliveries have done is what the models (docs/model/) allow: each process that has a folder for its
 * trace (`--trace`, BATON_TRACE; shared/trace.ts) has written its steps there.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Credits } from './credits.ts';
import { Fates } from './fates.ts';
import { Hearsay } from './hearsay.ts';
import { LocalHandoff } from './local-handoff.ts';
import { Migrations } from './migrations.ts';
import { NextRequests } from './requests.ts';
import { readSteps } from './steps.ts';
import { TakeOvers } from './take-overs.ts';

export interface TraceOptions {
  /** Processes that were killed: their last step may be missing, and what they held ended with them. */
  readonly killed?: Iterable<number> | undefined;
  /** Processes that go on, one's own for instance: all that they have done is judged, and nothing that they have left. */
  readonly running?: Iterable<number> | undefined;
  /** When these lines were written nothing moved any more, as at the end of a model's run: nobody may wait then. */
  readonly isStill?: boolean | undefined;
}

export interface TraceVerdict {
  /** Processes that have written a trace. */
  readonly processes: number;
  /** Connections that heads have accepted. */
  readonly connections: number;
  /** Processes that another one has ended, of a head and its successor. */
  readonly ended: readonly number[];
  /** What no model allows, a line each, in the order of time; empty: all is well. */
  readonly faults: readonly string[];
}

/** Throws an Error for what is no trace, or has lost lines (a full disk). */
export function checkTraces(folder: string, options: TraceOptions = {}): TraceVerdict {
  const files = readdirSync(folder).filter((name) => name.endsWith('.trace'));
  return checkTrace(files.map((name) => readFileSync(join(folder, name), 'utf8')).join(''), options);
}

/** The lines of all processes, those of each in their order. */
export function checkTrace(text: string, options: TraceOptions = {}): TraceVerdict {
  const { killed = [], running = [], isStill = false } = options;
  const { steps, threads } = readSteps(text);
  const ended = steps
    .filter(({ transition }) => transition === 'endOther')
    .map(({ details }) => Number(details[0]));
  const fates = new Fates(threads, [...killed, ...ended], running);
  const migrations = new Migrations(fates);
  const local = new LocalHandoff(fates, migrations, isStill);
  const requests = new NextRequests(fates, isStill);
  const rules = [migrations, local, requests, new Credits(), new TakeOvers(fates), new Hearsay()];
  const faults: string[] = [];
  for (const step of steps) {
    for (const rule of rules) {
      const problem = rule.take(step);
      const { subject, transition, at, thread } = step;
      if (problem) faults.push(`${subject}: ${transition} at ${at} by ${thread.name}: ${problem}`);
    }
  }
  faults.push(...rules.flatMap((rule) => rule.end()), ...fates.unknown());
  const processes = new Set(threads.map(({ pid }) => pid)).size;
  return { processes, connections: local.connections.size, ended, faults };
}
