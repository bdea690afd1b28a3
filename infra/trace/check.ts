/**
 * Holds what heads and deliveries have done (shared/trace.ts) against docs/model/migration.pml: the same states and steps. A
 * test makes the model's own runs go through here, and through the model with a check left out.
 */
import { type Transition, transitions } from '../../shared/trace.ts';

interface Step {
  /** Nanoseconds of one clock for all. */
  readonly at: bigint;
  readonly process: number;
  /** Of the migration: never the same for two. */
  readonly id: number;
  readonly transition: Transition;
}

/** At the head: Migration.phase of the model, and what its unnamed moments are. */
type AtHead = 'IDLE' | 'MOVING' | 'FORWARDED' | 'UNCONFIRMED' | 'DOUBT' | 'SETTLED';
/** At a delivery: which of Remote.prepared and Remote.live has it. */
type AtDelivery = 'NONE' | 'prepared' | 'live' | 'over';

const headSteps: Readonly<Partial<Record<Transition, readonly [from: readonly AtHead[], to: AtHead]>>> = {
  adopt: [['IDLE'], 'MOVING'],
  release: [['MOVING'], 'SETTLED'],
  forward: [['MOVING'], 'FORWARDED'],
  commit: [['FORWARDED'], 'UNCONFIRMED'],
  confirmed: [['UNCONFIRMED'], 'SETTLED'],
  doubt: [['UNCONFIRMED'], 'DOUBT'],
  resetAway: [['UNCONFIRMED', 'DOUBT'], 'SETTLED'],
};

const deliverySteps: Readonly<
  Partial<Record<Transition, readonly [from: readonly AtDelivery[], to: AtDelivery]>>
> = {
  prepare: [['NONE'], 'prepared'],
  abandon: [['prepared'], 'over'],
  activate: [['prepared'], 'live'],
  refuse: [['live'], 'over'],
  closed: [['live'], 'over'],
};

interface Known {
  head: AtHead;
  delivery: AtDelivery;
  deliveryProcess: number;
  /** The head has reset its client when a delivery had it: that must be dead. */
  resetWhileLive?: Step;
}

/** Adopted in a rehearsal (delivery/remote/warm-up.ts). */
const REHEARSAL = 0;

/** What of it the model does not allow, a line each; in the order of time. Throws for lines that are none, or were dropped. */
export function checkTrace(text: string): string[] {
  const steps = readTrace(text);
  const known = new Map<number, Known>();
  const lastOf = new Map<number, bigint>();
  const problems: string[] = [];
  for (const step of steps) {
    lastOf.set(step.process, step.at);
    if (step.id === REHEARSAL) continue;
    const one: Known = known.get(step.id) ?? { head: 'IDLE', delivery: 'NONE', deliveryProcess: 0 };
    known.set(step.id, one);
    const problem = take(one, step);
    if (problem) problems.push(`${step.id}: ${step.transition} at ${step.at} by ${step.process}: ${problem}`);
  }
  for (const [id, { deliveryProcess, resetWhileLive }] of known) {
    if (resetWhileLive && lastOf.get(deliveryProcess)! > resetWhileLive.at)
      problems.push(`${id}: reset at ${resetWhileLive.at} while ${deliveryProcess} had it, and lived`);
  }
  return problems;
}

function take(one: Known, step: Step): string | undefined {
  const { transition } = step;
  const atHead = headSteps[transition];
  if (atHead) {
    const [from, to] = atHead;
    if (!from.includes(one.head)) return `the head's is ${one.head}`;
    one.head = to;
    if (transition === 'resetAway' && one.delivery === 'live') one.resetWhileLive = step;
    return undefined;
  }
  const [from, to] = deliverySteps[transition]!;
  if (!from.includes(one.delivery)) return `the delivery's is ${one.delivery}`;
  if (transition === 'prepare') {
    one.deliveryProcess = step.process;
    if (one.head === 'IDLE') return 'the head has not offered it';
  }
  if (step.process !== one.deliveryProcess) return `it is with ${one.deliveryProcess}`;
  one.delivery = to;
  if (transition !== 'activate') return undefined;
  if (one.head === 'IDLE' || one.head === 'MOVING' || one.head === 'FORWARDED')
    return `the head's is ${one.head}`;
  return undefined;
}

function readTrace(text: string): Step[] {
  const steps: Step[] = [];
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const [at, process, id, transition] = line.split(' ');
    if (transition === 'dropped') throw new Error(`process ${process} dropped ${id} lines`);
    if (!transitions.includes(transition as Transition)) throw new Error(`not a line of a trace: ${line}`);
    steps.push({
      at: BigInt(at!),
      process: Number(process),
      id: Number(id),
      transition: transition as Transition,
    });
  }
  // Each process has written its own in order; sort(3) keeps that for what happened at once.
  return steps.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
}
