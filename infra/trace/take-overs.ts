/** Holds a head and its successor against docs/model/takeover.pml: exactly one of the two is the head, and both know which. */
import type { Transition } from '../../shared/trace.ts';
import type { Fates } from './fates.ts';
import type { Rules, Step, Thread } from './steps.ts';

type AtPredecessor = 'WARMS' | 'FROZEN' | 'DEPARTED' | 'GOES_ON';
type AtSuccessor = 'WARMS' | 'READY' | 'HEAD' | 'GAVE_UP';

/** Either writes a trace, or does not. */
interface TakeOver {
  readonly name: string;
  predecessor?: Thread;
  successor?: Thread;
  before: AtPredecessor;
  after: AtSuccessor;
  /** It has said so, whatever became of it: the predecessor may hear it late. */
  wasReady?: true;
}

const predecessorSteps: Readonly<
  Partial<Record<Transition, readonly [from: readonly AtPredecessor[], to: AtPredecessor]>>
> = {
  frozen: [['WARMS'], 'FROZEN'],
  depart: [['FROZEN'], 'DEPARTED'],
  goOn: [['WARMS', 'FROZEN'], 'GOES_ON'],
};
const successorSteps: Readonly<
  Partial<Record<Transition, readonly [from: readonly AtSuccessor[], to: AtSuccessor]>>
> = {
  ready: [['WARMS'], 'READY'],
  confirm: [['READY'], 'HEAD'],
  standIn: [['READY'], 'HEAD'],
  giveUp: [['WARMS', 'READY'], 'GAVE_UP'],
};

/**
 * What only a head does. Of what it has begun with, lanes and moves go on meanwhile, as do answers in the TLS thread's hands; that
 * none of it is with what it has passed on is known by the connections (local-handoff.ts).
 */
const ofHeads: readonly Transition[] = ['accept', 'regain', 'terminate'];
const ofSuccessors: readonly Transition[] = [...ofHeads, 'offer', 'move', 'succeed', 'answer', 'member'];

export class TakeOvers implements Rules {
  readonly #fates: Fates;
  readonly #all = new Map<string, TakeOver>();
  /** By the process: the latest in which it hands over, and in which it takes over. */
  readonly #fromProcess = new Map<number, TakeOver>();
  readonly #toProcess = new Map<number, TakeOver>();

  constructor(fates: Fates) {
    this.#fates = fates;
  }

  take(step: Step): string | undefined {
    const { subject, transition, thread } = step;
    if (subject[0] !== 't') return this.#act(thread.pid, transition);
    if (transition === 'handOver') return this.#handOver(step);
    if (transition === 'takeOver') return this.#takeOver(step);
    const one = this.#all.get(subject);
    if (transition === 'endOther') return this.#endOther(one, step);
    const isBefore = transition in predecessorSteps;
    const whose = isBefore ? one?.predecessor : one?.successor;
    if (!one || !whose) return 'it has not begun';
    if (thread !== whose) return `it is with ${whose.name}`;
    return isBefore ? this.#atPredecessor(one, transition) : this.#atSuccessor(one, transition);
  }

  /** Only one of the two ends the other, and by its word alone that one is known to be killed. */
  #endOther(one: TakeOver | undefined, { thread, details }: Step): string | undefined {
    const isOfBoth = one !== undefined && (thread === one.predecessor || thread === one.successor);
    const other = thread === one?.predecessor ? one?.successor : one?.predecessor;
    if (!isOfBoth) return 'it is none of the two';
    return other && other.pid !== Number(details[0]) ? `the other one is ${other.name}` : undefined;
  }

  #handOver({ subject, thread }: Step): string | undefined {
    const one = this.#of(subject);
    if (one.predecessor) return `${one.predecessor.name} hands over there`;
    const other = this.#fromProcess.get(thread.pid);
    one.predecessor = thread;
    this.#fromProcess.set(thread.pid, one);
    return other && other.before !== 'GOES_ON' && other.predecessor === thread
      ? `it is ${other.before} for ${other.name}`
      : undefined;
  }

  #takeOver({ subject, thread }: Step): string | undefined {
    const one = this.#of(subject);
    if (one.successor) return `${one.successor.name} takes over there`;
    one.successor = thread;
    this.#toProcess.set(thread.pid, one);
    return undefined;
  }

  #of(name: string): TakeOver {
    const one = this.#all.get(name) ?? { name, before: 'WARMS', after: 'WARMS' };
    this.#all.set(name, one);
    return one;
  }

  #atPredecessor(one: TakeOver, transition: Transition): string | undefined {
    const [from, to] = predecessorSteps[transition]!;
    if (!from.includes(one.before)) return `the predecessor's is ${one.before}`;
    one.before = to;
    const { successor, after } = one;
    if (transition === 'goOn') return after === 'HEAD' ? 'its successor is the head' : undefined;
    // Of one that was killed the last step may be missing.
    if (!successor || this.#fates.of(successor) === 'killed') return undefined;
    // It was told to stop, or has waited for too long: its last word is read after *ready*.
    if (transition === 'frozen' && after === 'GAVE_UP' && one.wasReady) return undefined;
    const needed = transition === 'frozen' ? 'READY' : 'HEAD';
    return after === needed ? undefined : `the successor's is ${after}`;
  }

  #atSuccessor(one: TakeOver, transition: Transition): string | undefined {
    const [from, to] = successorSteps[transition]!;
    if (!from.includes(one.after)) return `the successor's is ${one.after}`;
    one.after = to;
    if (to === 'READY') one.wasReady = true;
    const { predecessor, before } = one;
    if (!predecessor || to !== 'HEAD') return undefined;
    const isKilled = this.#fates.of(predecessor) === 'killed';
    if (transition === 'standIn') return isKilled ? undefined : `its predecessor lives, and is ${before}`;
    return before === 'FROZEN' || (isKilled && before === 'WARMS')
      ? undefined
      : `the predecessor's is ${before}`;
  }

  /** What a head alone may do, by a process that is the head; both may be heads of one process. */
  #act(pid: number, transition: Transition): string | undefined {
    const from = this.#fromProcess.get(pid);
    const to = this.#toProcess.get(pid);
    if (from && ofHeads.includes(transition) && from.successor?.pid !== pid) {
      if (from.before === 'FROZEN' || from.before === 'DEPARTED') return `it is ${from.before}`;
    }
    if (to && ofSuccessors.includes(transition) && to.predecessor?.pid !== pid && to.after !== 'HEAD')
      return `it is not the head: it is ${to.after}`;
    return undefined;
  }

  end(): string[] {
    const problems: string[] = [];
    for (const { name, predecessor, successor, before, after } of this.#all.values()) {
      if (
        predecessor &&
        this.#fates.of(predecessor) === 'ended' &&
        before !== 'GOES_ON' &&
        before !== 'DEPARTED'
      )
        problems.push(`${name}: ${predecessor.name} has ended, and it is ${before}`);
      if (successor && this.#fates.of(successor) === 'ended' && after !== 'HEAD' && after !== 'GAVE_UP')
        problems.push(`${name}: ${successor.name} has ended, and it is ${after}`);
    }
    return problems;
  }
}
