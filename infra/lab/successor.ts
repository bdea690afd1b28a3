/** A head that another one started, as a service of the lab: it is nobody's child here, and is known by its pid. */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { upgradeHead } from '../admin-client.ts';
import type { Service } from './lab.ts';

const STOP_WITHIN_MS = 5000;
const LOOK_EVERY_MS = 10;

const ours = new Set<number>();
/** As for those that this process started itself: nothing is left when it ends early. */
process.on('exit', () => {
  for (const pid of ours) signal(pid, 'SIGKILL');
});

/** Resolves when it has taken over and its predecessor has gone. Throws what the head says where it has no successor. */
export async function successorOf(predecessor: Service, admin: string): Promise<Service> {
  const { pid } = await upgradeHead(admin);
  ours.add(pid);
  // Not by its service, which waits for the end of its output: the successor has inherited that.
  await hasGone(predecessor.pid, STOP_WITHIN_MS);
  ours.delete(predecessor.pid);
  return {
    ready: predecessor.ready,
    pid,
    async stop() {
      signal(pid, 'SIGTERM');
      // A stopped process sees no SIGTERM.
      signal(pid, 'SIGCONT');
      if (!(await hasGone(pid, STOP_WITHIN_MS))) await kill(pid);
      ours.delete(pid);
    },
    async kill() {
      await kill(pid);
      ours.delete(pid);
    },
    freeze: async () => void signal(pid, 'SIGSTOP'),
    resume: async () => void signal(pid, 'SIGCONT'),
  };
}

async function kill(pid: number): Promise<void> {
  signal(pid, 'SIGKILL');
  await hasGone(pid, STOP_WITHIN_MS);
}

async function hasGone(pid: number, withinMs: number): Promise<boolean> {
  const deadline = performance.now() + withinMs;
  while (isThere(pid)) {
    if (performance.now() > deadline) return false;
    await delay(LOOK_EVERY_MS);
  }
  return true;
}

/** One that has ended and that nobody has asked after (Z) is gone. */
function isThere(pid: number): boolean {
  try {
    return !/^State:\s*Z/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'));
  } catch {
    return false;
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended.
  }
}
