/** Starts visitors where a lab's clients are, and reads what they write. */

import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Lab } from '../lab/lab.ts';
import { visitKinds } from './kinds.ts';
import type { VisitorsPlan, VisitsSample } from './visitors-main.ts';

const program = fileURLToPath(new URL(`./visitors-main${extname(import.meta.url)}`, import.meta.url));
/** Until the process has started and begins. */
const START_MS = 1500;

export interface Visitors {
  readonly pid: number;
  readonly startAt: number;
  /** What they have written until now. */
  read(): Promise<VisitsSample[]>;
  /** When every visit is over: by itself at the end of the time, at once when they are told to stop. */
  readonly ended: Promise<void>;
  stop(): Promise<void>;
  /** Removes what they have written. */
  remove(): Promise<void>;
}

export type VisitorsOptions = Pick<VisitorsPlan, 'rate' | 'seed' | 'durationMs' | 'timeoutMs' | 'sampleMs'>;

export async function startVisitors(lab: Lab, options: VisitorsOptions): Promise<Visitors> {
  const directory = await mkdtemp(join(tmpdir(), 'baton-soak-'));
  const [file, out] = [join(directory, 'plan.json'), join(directory, 'visits')];
  const startAt = Date.now() + START_MS;
  const plan: VisitorsPlan = {
    ...options,
    to: lab.head.listen,
    kinds: visitKinds,
    startAt,
    caFile: lab.certificate!,
    out,
  };
  await writeFile(file, JSON.stringify(plan));
  const service = await lab.client.start([process.execPath, program, file]);
  return {
    pid: service.pid,
    startAt,
    async read() {
      const text = await readFile(out, 'utf8').catch(() => '');
      return text
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as VisitsSample);
    },
    ended: untilGone(service.pid),
    stop: () => service.stop(),
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}

/** The lab tells nobody of the end of what it started. */
async function untilGone(pid: number): Promise<void> {
  while (existsSync(`/proc/${pid}`)) await delay(200);
}
