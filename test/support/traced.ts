/**
 * Whatever the tests of this file start writes down its steps, and when all of it has ended they are held against the models.
 * Imported before anything else, it has this process's own deliveries do so too. Not for files that measure, nor where
 * somebody else has named a folder: a test whose child this is.
 */
import type { ChildProcess } from 'node:child_process';
import { subscribe } from 'node:diagnostics_channel';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkTraces } from '../../infra/trace/index.ts';
import { until } from './until.ts';

const SHOWN = 20;
const ENDED_WITHIN_MS = 30_000;

// Such a child is no test, in which alone ava can be loaded.
const test = process.env.BATON_TRACE === undefined ? (await import('ava')).default : undefined;
const isTraced = test !== undefined && !/\.(alone|proof)\./.test(test.meta.file);
const folder = isTraced ? mkdtempSync(join(tmpdir(), 'baton-trace-')) : undefined;
if (folder !== undefined) process.env.BATON_TRACE = folder;

/** Those that run, and those that have ended without a word of their own: a crash is no such end. */
const running = new Set<number>();
const started = new Set<number>();
const killed = new Set<number>();
const KILLING: readonly unknown[] = ['SIGKILL', 'SIGTERM', 'SIGINT'];

// Whoever starts a process in here: launch(), or a test itself.
subscribe('child_process', (message) => {
  const { process: child } = message as { process: ChildProcess };
  child.once('spawn', () => {
    running.add(child.pid!);
    started.add(child.pid!);
  });
  child.once('exit', (_, signal) => {
    running.delete(child.pid!);
    if (KILLING.includes(signal) || (signal === null && !hasMainThread(child.pid!))) killed.add(child.pid!);
  });
});

test?.after.always('all that was done is what the models allow', async () => {
  if (folder === undefined) return;
  // Those hooks of a file that stop what it has started run beside this one.
  await until(
    'all that were started have ended',
    () => tracedPids().filter((pid) => existsSync(`/proc/${pid}`) || running.has(pid)),
    (left) => left.length === 0,
    ENDED_WITHIN_MS,
  );
  // How those have ended that others started, a head's successor for one, nobody here is told.
  for (const pid of tracedPids()) if (!started.has(pid)) killed.add(pid);
  const { faults } = checkTraces(folder, { killed, running: [process.pid] });
  if (faults.length > 0)
    throw new Error(`what the models do not allow, in ${folder}:\n${faults.slice(0, SHOWN).join('\n')}`);
  if (process.env.KEEP_TRACES) process.stderr.write(`traces: ${folder}\n`);
  else rmSync(folder, { recursive: true, force: true });
});

/** Of the others that have written anything. */
function tracedPids(): number[] {
  const all = readdirSync(folder!).map((name) => Number.parseInt(name, 10));
  return all.filter((pid) => pid !== process.pid);
}

/** Threads of a process whose main thread is not Baton's have nobody who says that they have ended. */
function hasMainThread(pid: number): boolean {
  const file = join(folder ?? '', `${pid}.trace`);
  return folder !== undefined && existsSync(file) && readFileSync(file, 'utf8').includes(` ${pid}.0 `);
}
