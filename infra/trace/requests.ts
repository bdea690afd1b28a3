/**
 * Holds distribution by request against docs/model/requests.pml: of what goes no request has begun, what is read is seen whole, and
 * nothing that has come waits in vain. Whose a connection is, and that nobody reads what is held, is known by its lane (local-states.ts).
 */
import type { Fates } from './fates.ts';
import type { Rules, Step, Thread } from './steps.ts';

/** So long something may wait that a thread does in its next turn: nanoseconds in which it is seen to do other things. */
const LONG = 2_000_000_000n;
/** When a thread did something, to about so many nanoseconds. */
const ROUGHLY = 100_000_000n;

interface Next {
  readonly name: string;
  readonly thread: Thread;
  /** What comes is looked at before it is read. */
  isOurs: boolean;
  /** Some of it was read since it is looked at, or came with it: what its server begins may have stood in there. */
  isRead: boolean;
  /** Requests that have begun and have no whole answer; undefined while nobody counts them. */
  begun: number | undefined;
  /** Something has come that nobody would be told of again. */
  owes: boolean;
  /** Since when that could be looked at; undefined while it is held. */
  since: bigint | undefined;
}

export class NextRequests implements Rules {
  readonly #fates: Fates;
  /** When nothing moves any more at the end, nothing may wait there. */
  readonly #isStill: boolean;
  readonly #all = new Map<string, Next>();
  readonly #active = new Map<Thread, bigint[]>();

  constructor(fates: Fates, isStill: boolean) {
    this.#fates = fates;
    this.#isStill = isStill;
  }

  take(step: Step): string | undefined {
    const { subject, transition, thread, at } = step;
    this.#note(thread, at);
    if (subject[0] !== 'a') return undefined;
    if (transition === 'watch') return this.#watch(subject, thread);
    const next = this.#all.get(subject);
    if (next && next.thread === thread) return this.#takeNext(next, step);
    return OF_WATCHED.has(transition) ? 'nobody watches it' : undefined;
  }

  #note(thread: Thread, at: bigint): void {
    const times = this.#active.get(thread);
    if (!times) this.#active.set(thread, [at]);
    else if (at - times.at(-1)! >= ROUGHLY) times.push(at);
  }

  #watch(name: string, thread: Thread): string | undefined {
    const before = this.#all.get(name);
    const begun = before?.begun ?? 0;
    const isRead = !before;
    this.#all.set(name, { name, thread, isOurs: true, isRead, begun, owes: false, since: undefined });
    if (before?.isOurs) return 'it is watched';
    return begun > 0 ? 'a request of it has begun' : undefined;
  }

  #takeNext(next: Next, { transition, details, at }: Step): string | undefined {
    if (OF_OURS.has(transition) && !next.isOurs) return 'its server reads it';
    switch (transition) {
      case 'request':
        next.begun = (next.begun ?? 0) + 1;
        return next.isOurs && !next.isRead ? 'nobody has read it' : undefined;
      case 'response':
        if (!next.begun) return 'no request of it has begun';
        next.begun--;
        return undefined;
      case 'read':
        return this.#read(next, details, at);
      case 'ask':
        next.isRead = false;
        this.#owe(next, undefined);
        return isBetween(next);
      case 'give':
        // Of one that its application has a state of nobody knows what a request is.
        return details[0] === 'state' ? undefined : isBetween(next);
      case 'wait':
        this.#owe(next, at);
        return undefined;
      case 'told':
        this.#owe(next, undefined);
        return undefined;
      case 'stay':
        if (next.owes) next.since = at;
        return undefined;
      case 'leaveToServer':
        next.isOurs = false;
        return this.#settle(next, at);
      case 'unwatch':
      case 'finish':
        this.#all.delete(next.name);
        return (
          this.#settle(next, at) ?? (transition === 'unwatch' && next.isOurs ? 'it is watched' : undefined)
        );
      default:
        return undefined;
    }
  }

  #read(next: Next, [bytes, most]: readonly string[], at: bigint): string | undefined {
    next.isRead = true;
    if (Number(bytes) >= Number(most))
      return `there may be more than ${bytes}, and nobody would tell of that`;
    return isBetween(next) ?? this.#settle(next, at);
  }

  #owe(next: Next, since: bigint | undefined): void {
    next.owes = true;
    next.since = since;
  }

  /** It has waited until then. */
  #settle(next: Next, until: bigint): string | undefined {
    const problem = this.#isLate(next, until) ? `it has waited since ${next.since}` : undefined;
    next.owes = false;
    next.since = undefined;
    return problem;
  }

  /** Its thread did other things meanwhile, long after it had begun to wait and long before it was done with. */
  #isLate({ thread, since }: Next, until: bigint): boolean {
    if (since === undefined || until - since < 2n * LONG) return false;
    return this.#active.get(thread)!.some((at) => at >= since + LONG && at <= until - LONG);
  }

  end(): string[] {
    const waiting = [...this.#all.values()].filter(({ since }) => since !== undefined);
    return waiting
      .filter((next) => {
        const isStill = this.#isStill && this.#fates.of(next.thread) !== 'killed';
        return isStill || this.#isLate(next, this.#active.get(next.thread)!.at(-1)!);
      })
      .map(({ name, since }) => `${name}: its next request waits since ${since}`);
  }
}

const OF_OURS: ReadonlySet<string> = new Set(['read', 'ask', 'wait', 'told', 'leaveToServer']);
const OF_WATCHED: ReadonlySet<string> = new Set([...OF_OURS, 'request', 'response']);

const isBetween = ({ begun }: Next): string | undefined => (begun ? 'a request of it has begun' : undefined);
