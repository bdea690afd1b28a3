/**
 * Which labs there are and whose: a directory each in /run/baton/labs, written before anything else is made. What a
 * crashed lab has left is found by it, or by its namespaces' names.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runtimeDirectory } from '../../../shared/paths.ts';
import { run } from './command.ts';

export interface LabRecord {
  /** `baton-PID-N`; its namespaces are called `NAME-HOST`. */
  readonly name: string;
  readonly directory: string;
}

interface Saved {
  readonly pid: number;
  /** When the process began (proc(5), stat field 22): a number may be given to another process later. */
  readonly began: string;
  /** Made by `baton lab up`, whose process ends: it stays until `baton lab down`. */
  readonly kept: boolean;
}

/** Where ip-netns(8) has them. */
const NAMESPACES = '/run/netns';
const labs = () => join(runtimeDirectory(), 'labs');
const namePattern = /^baton-(\d+)-\d+/;
let made = 0;

export function createRecord(): LabRecord {
  mkdirAt(labs());
  for (;;) {
    made++;
    const name = `baton-${process.pid}-${made}`;
    const directory = join(labs(), name);
    try {
      mkdirSync(directory, { mode: 0o700 });
    } catch (error) {
      // Another thread's, or a lab that was kept and made by another process of this number.
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') continue;
      throw error;
    }
    if (hasNamespaces(name)) {
      rmSync(directory, { recursive: true });
      continue;
    }
    save(directory, false);
    return { name, directory };
  }
}

/** An earlier process of this number that was killed has left them, and no record: nobody removes them as long as this one lives. */
const hasNamespaces = (name: string): boolean =>
  existsSync(NAMESPACES) && readdirSync(NAMESPACES).some((namespace) => namespace.startsWith(`${name}-`));

/** From now on it stays when this process ends. Said last: what is half built when its process dies is no lab. */
export const keepRecord = ({ directory }: LabRecord): void => save(directory, true);

function save(directory: string, kept: boolean): void {
  const saved: Saved = { pid: process.pid, began: beginOf(process.pid)!, kept };
  writeFileSync(join(directory, 'lab.json'), JSON.stringify(saved));
}

export function removeRecord(name: string): void {
  rmSync(join(labs(), name), { recursive: true, force: true });
}

/** Removes what no living process owns; labs of `baton lab up` only when asked to. Answers the names. */
async function removeLabsThat(
  wanted: (name: string) => boolean,
  removeNamespaces: (name: string) => Promise<void>,
): Promise<string[]> {
  const names = (await labNames()).filter(wanted);
  for (const name of names) {
    await removeNamespaces(name);
    removeRecord(name);
  }
  return names;
}

type Remove = (name: string) => Promise<void>;

/** What crashed labs have left. */
export const removeStaleLabs = (remove: Remove) =>
  removeLabsThat((name) => read(name)?.kept !== true && !isOwned(name), remove);

/** Those, and all that `baton lab up` made. */
export const removeUnownedLabs = (remove: Remove) =>
  removeLabsThat((name) => read(name)?.kept === true || !isOwned(name), remove);

async function labNames(): Promise<string[]> {
  const namespaces = (await run(['ip', 'netns', 'list'])).split('\n');
  const recorded = readdirSync(mkdirAt(labs()));
  const names = [...namespaces, ...recorded].map((text) => namePattern.exec(text)?.[0]);
  return [...new Set(names.filter((name) => name !== undefined))];
}

function mkdirAt(path: string): string {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  return path;
}

function read(name: string): Saved | undefined {
  try {
    return JSON.parse(readFileSync(join(labs(), name, 'lab.json'), 'utf8')) as Saved;
  } catch {
    return undefined;
  }
}

/** Its process lives. Without a record the process in its name is believed to be it. */
function isOwned(name: string): boolean {
  const saved = read(name);
  const began = beginOf(saved?.pid ?? Number(namePattern.exec(name)![1]));
  return began !== undefined && (saved === undefined || saved.began === began);
}

function beginOf(pid: number): string | undefined {
  try {
    // The second field is the command in parentheses, which may hold anything.
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}
