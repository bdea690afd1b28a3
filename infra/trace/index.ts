/**
 * Whether what heads and deliveries have done is what the models (docs/model/) allow: each process that has a folder for its
 * trace (BATON_TRACE, shared/trace.ts) has written its steps there.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkTrace } from './check.ts';

export interface TraceOptions {
  /** Processes that ended by SIGKILL, say: their last lines may be missing, and what they held ended with them. */
  readonly killed?: Iterable<number> | undefined;
}

export interface TraceVerdict {
  /** Processes that have written a trace. */
  readonly processes: number;
  /** What no model allows, a line each, in the order of time; empty: all is well. */
  readonly faults: readonly string[];
}

/** All processes must have ended. Throws an Error for what is no trace, or has lost lines (a full disk). */
export function checkTraces(folder: string, _options: TraceOptions = {}): TraceVerdict {
  const files = readdirSync(folder).filter((name) => name.endsWith('.trace'));
  const text = files.map((name) => readFileSync(join(folder, name), 'utf8')).join('');
  return { processes: files.length, faults: checkTrace(text) };
}
