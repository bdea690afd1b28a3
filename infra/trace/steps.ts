/** The lines of a trace (shared/trace.ts), and the threads that have written them. */
import { type Transition, transitions } from '../../shared/trace.ts';

export interface Step {
  /** Nanoseconds of one clock for all. */
  readonly at: bigint;
  readonly thread: Thread;
  /** What it is with: a kind in one letter, and a name. */
  readonly subject: string;
  readonly transition: Transition;
  readonly details: readonly string[];
}

/** A thread of a process, from its `begin` on. */
export interface Thread {
  readonly pid: number;
  /** In its process: a thread is started by one with a lower number. */
  readonly number: number;
  readonly name: string;
  /** It came to its end in order, and all its lines are there. */
  hasEnded: boolean;
  /** It has done more than to begin. */
  hasDone: boolean;
  /** It has asked a head to hand over. */
  tookOver: boolean;
}

/** All in the order of time. Throws for a line that is none, and where lines were lost (a full disk). */
export function readSteps(text: string): { steps: Step[]; threads: Thread[] } {
  const threads: Thread[] = [];
  const current = new Map<string, Thread>();
  const steps: Step[] = [];
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const [at, who, subject, transition, ...details] = line.split(' ');
    if (transition === 'dropped') throw new Error(`${who} lost ${details[0]} lines`);
    if (
      !/^\d+$/.test(at!) ||
      !/^\d+\.\d+$/.test(who ?? '') ||
      !transitions.includes(transition as Transition)
    )
      throw new Error(`not a line of a trace: ${line}`);
    // A pid is given again: whoever begins is another one.
    if (transition === 'begin') current.delete(who!);
    let thread = current.get(who!);
    if (!thread) {
      const [pid, number] = who!.split('.').map(Number);
      thread = { pid: pid!, number: number!, name: who!, hasEnded: false, hasDone: false, tookOver: false };
      current.set(who!, thread);
      threads.push(thread);
    }
    if (transition === 'takeOver') thread.tookOver = true;
    if (transition === 'end') thread.hasEnded = true;
    else if (transition !== 'begin') thread.hasDone = true;
    steps.push({
      at: BigInt(at!),
      thread,
      subject: subject!,
      transition: transition as Transition,
      details,
    });
  }
  // Each process has written its own in order; sort(3) keeps that for what happened at once.
  steps.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
  return { steps, threads };
}

/** One part of what the models say. */
export interface Rules {
  /** Takes a step; what of it is not allowed. Steps that it knows nothing of are allowed. */
  take(step: Step): string | undefined;
  /** What cannot be so when all have ended; a line each. */
  end(): string[];
}
