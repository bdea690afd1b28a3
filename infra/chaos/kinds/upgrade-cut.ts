import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { LabHead } from '../../lab/lab.ts';
import { cutAfter, cutOnes, type Fault, type Kind, nothing } from './kind.ts';
import { again, headOf, isAlive, moreOf } from './processes.ts';
import { succeedWith } from './upgrade.ts';

const ANSWERS_WITHIN_MS = 5000;
/** The steps of a take-over take some ten milliseconds, the start before them a third of a second. */
const CUT_WITHIN_MS = 15;
const LOOK_EVERY_MS = 2;

/** For one that is told to stop to have gone. */
const GONE_WITHIN_MS = 10_000;

/** Of a head and its successor one is killed, or told to stop, at some moment of the take-over. */
export const upgradeCut: Kind = {
  draws: ({ heads, policies }) => [
    [
      3,
      (dice) => ({
        ...{ target: dice.one(heads), lasts: 0, ...succeedWith(dice, policies) },
        cut: {
          who: dice.one(cutOnes),
          after: dice.one(cutAfter),
          ms: dice.one([0, dice.between(0, CUT_WITHIN_MS), dice.between(0, 300)]),
          ...dice.one([{}, {}, { gently: true as const }]),
        },
      }),
    ],
  ],
  make(fault, { lab }) {
    const head = headOf(fault.target, lab)!;
    const predecessor = head.pid;
    return {
      pid: predecessor,
      async begin() {
        const over = new AbortController();
        const upgrade = head
          .upgrade(moreOf(fault))
          .then(nothing, nothing)
          .finally(() => over.abort());
        const killed = await cut(fault.cut!, predecessor, over.signal);
        await upgrade;
        return { outcome: await whatCameOfIt(head, predecessor), killed };
      },
      end: nothing,
    };
  },
};

/** Kills one of the two then, or tells it to stop and waits for its end; the process that was killed. What they do is in their traces, in which the predecessor names the other. */
async function cut(
  { who, after, ms, gently }: NonNullable<Fault['cut']>,
  predecessor: number,
  over: AbortSignal,
): Promise<number | undefined> {
  const before = sizeOfTrace(predecessor);
  let successor: number | undefined;
  const isDone = () => {
    const own = traceOf(predecessor, before);
    const found = / t\d+ handOver (\d+)/.exec(own)?.[1];
    successor = found === undefined ? undefined : Number(found);
    if (after === 'begin') return who === 'predecessor' || successor !== undefined;
    const both = own + (successor === undefined ? '' : traceOf(successor));
    return successor !== undefined && new RegExp(` t\\d+ ${after}\\b`).test(both);
  };
  while (!isDone()) {
    if (over.aborted) return undefined;
    await delay(LOOK_EVERY_MS);
  }
  await delay(ms);
  const pid = who === 'predecessor' ? predecessor : successor!;
  if (!isAlive(pid)) return undefined;
  process.kill(pid, gently ? 'SIGTERM' : 'SIGKILL');
  if (!gently) return pid;
  const until = performance.now() + GONE_WITHIN_MS;
  while (isAlive(pid) && performance.now() < until) await delay(LOOK_EVERY_MS);
  return undefined;
}

const fileOf = (pid: number): string => join(process.env.BATON_TRACE!, `${pid}.trace`);
const sizeOfTrace = (pid: number): number => statSync(fileOf(pid), { throwIfNoEntry: false })?.size ?? 0;

/** What it has written there since. */
function traceOf(pid: number, from = 0): string {
  const length = sizeOfTrace(pid) - from;
  if (length <= 0) return '';
  const file = openSync(fileOf(pid), 'r');
  const bytes = Buffer.alloc(length);
  readSync(file, bytes, 0, length, from);
  closeSync(file);
  return bytes.toString('latin1');
}

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
  await again(() => head.start());
  return 'lost';
}
