import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { LabHead } from '../../lab/lab.ts';
import { type Kind, nothing } from './kind.ts';
import { isAlive } from './processes.ts';
import { moreOf, succeedWith } from './upgrade.ts';

/** A successor is there for a third of a second before it is ready, and the rest takes some ten milliseconds. */
const CUT_WITHIN_MS = 900;
const ANSWERS_WITHIN_MS = 5000;

/** Of a head and its successor one is killed at some moment of the take-over. */
export const upgradeCut: Kind = {
  draws: ({ policies }) => [
    [
      2,
      (dice) => ({
        ...{ target: 'head', lasts: 0, ...succeedWith(dice, policies) },
        cut: {
          who: dice.one(['predecessor', 'successor'] as const),
          afterMs: dice.between(0, CUT_WITHIN_MS),
        },
      }),
    ],
  ],
  make(fault, { lab: { head } }) {
    const predecessor = head.pid;
    const { who, afterMs } = fault.cut!;
    return {
      pid: predecessor,
      async begin() {
        const upgrade = head.upgrade(moreOf(fault)).then(nothing, nothing);
        await delay(afterMs);
        const pid = who === 'predecessor' ? predecessor : successorOf(head.listen, predecessor);
        if (pid !== undefined && isAlive(pid)) process.kill(pid, 'SIGKILL');
        await upgrade;
        return { outcome: await whatCameOfIt(head, predecessor), killed: pid };
      },
      end: nothing,
    };
  },
};

/** Where nobody is the head any more it is started again, as after a kill. */
async function whatCameOfIt(head: LabHead, predecessor: number): Promise<'kept' | 'taken over' | 'lost'> {
  const until = performance.now() + ANSWERS_WITHIN_MS;
  do {
    const pid = await head.status().then(
      (status) => status.pid,
      () => undefined,
    );
    if (pid !== undefined && isAlive(pid)) return pid === predecessor ? 'kept' : 'taken over';
    await delay(50);
  } while (performance.now() < until && isAlive(head.pid));
  await head.end('kill');
  await head.start();
  return 'lost';
}

/** A head that was started to take over there. */
function successorOf(listen: string, predecessor: number): number | undefined {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.map(Number).find((pid) => {
    const command = commandOf(pid);
    return pid !== predecessor && command.includes('--take-over') && command.includes(listen);
  });
}

function commandOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
}
