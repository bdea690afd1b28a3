/**
 * Whatever the tests of this file start writes down its steps, and when all of it has ended they are held against the models.
 * Imported before anything else, it has this process's own deliveries do so too. Not for files that measure.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { killedChildren } from '../../infra/processes/launch.ts';
import { checkTraces } from '../../infra/trace/index.ts';
import { until } from './until.ts';

const SHOWN = 20;
const ENDED_WITHIN_MS = 30_000;

const folder = test.meta.file.includes('.alone.') ? undefined : mkdtempSync(join(tmpdir(), 'baton-trace-'));
if (folder !== undefined) process.env.BATON_TRACE = folder;

const killed = new Set<number>();

/** Of a process that a test kills, or has kill itself, and that launch() has not started. */
export const isKilled = (pid: number | undefined): void => void (pid !== undefined && killed.add(pid));

test.after.always('all that was done is what the models allow', async () => {
  if (folder === undefined) return;
  // Those hooks of a file that stop what it has started run beside this one.
  await until(
    'all that were started have ended',
    () => pids().filter((pid) => existsSync(`/proc/${pid}`) || !isOver(pid)),
    (left) => left.length === 0,
    ENDED_WITHIN_MS,
  );
  const { faults } = checkTraces(folder, {
    killed: [...killed, ...killedChildren()],
    running: [process.pid],
  });
  if (faults.length > 0)
    throw new Error(`what the models do not allow, in ${folder}:\n${faults.slice(0, SHOWN).join('\n')}`);
  if (process.env.KEEP_TRACES) process.stderr.write(`traces: ${folder}\n`);
  else rmSync(folder, { recursive: true, force: true });
});

/** Of the others that have written anything. */
function pids(): number[] {
  const all = readdirSync(folder!).map((name) => Number.parseInt(name, 10));
  return all.filter((pid) => pid !== process.pid);
}

/** Who is neither has crashed, which only the checker is to say; or it is not known yet. */
function isOver(pid: number): boolean {
  if (killed.has(pid) || killedChildren().has(pid)) return true;
  return readFileSync(join(folder!, `${pid}.trace`), 'utf8').includes(` ${pid}.0 - end\n`);
}
