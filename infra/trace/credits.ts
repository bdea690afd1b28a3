/** Credits: a head gives each delivery no more than it declared, and each comes back, once. */
import type { Rules, Step } from './steps.ts';

interface Slot {
  readonly credits: number;
  inUse: number;
  /** Another head gives to the same delivery: each hears late of what the other has given. */
  isShared: boolean;
}

/** A process has one head. */
const keyOf = (pid: number, slot: string): string => `${pid} ${slot}`;

export class Credits implements Rules {
  readonly #slots = new Map<string, Slot>();
  /** Of each lane. */
  readonly #slotOf = new Map<string, string>();

  take({ thread: { pid }, subject, transition, details }: Step): string | undefined {
    const [first, second] = details;
    switch (transition) {
      case 'member':
        if (this.#slots.has(keyOf(pid, subject))) return 'there is a delivery in it';
        this.#slots.set(keyOf(pid, subject), {
          credits: Number(second),
          inUse: Number(details[2]),
          isShared: false,
        });
        return undefined;
      case 'former':
        return this.#give(keyOf(pid, subject), Number(first));
      case 'elsewhere':
        return this.#share(keyOf(pid, subject), Number(first));
      case 'vacated':
        return this.#vacate(keyOf(pid, subject), Number(first));
      case 'open':
        this.#slotOf.set(subject, keyOf(pid, `s${first}`));
        return this.#slots.has(keyOf(pid, `s${first}`)) ? undefined : `there is no delivery in slot ${first}`;
      case 'offer':
        return this.#use(this.#slotOf.get(first!));
      case 'hearReturned':
      case 'takeBack':
        return this.#give(this.#slotOf.get(first!), 1);
      case 'hearEnded':
        return this.#give(this.#slotOf.get(subject), Number(first));
      case 'move':
        return this.#use(keyOf(pid, `s${first}`));
      case 'kept':
        return this.#give(keyOf(pid, `s${first}`), 1);
      default:
        return undefined;
    }
  }

  /** Said when it has been taken, so that of several workers none is ahead of the account. */
  #use(key: string | undefined): string | undefined {
    const slot = this.#slots.get(key ?? '');
    if (!slot) return 'there is no delivery in its slot';
    slot.inUse++;
    return slot.inUse > slot.credits && !slot.isShared
      ? `${slot.inUse} are in use, of ${slot.credits} credits`
      : undefined;
  }

  #share(key: string, count: number): string | undefined {
    const slot = this.#slots.get(key);
    if (!slot) return 'there is no delivery in its slot';
    slot.inUse += count;
    slot.isShared = true;
    return undefined;
  }

  /** Said before it is given. */
  #give(key: string | undefined, count: number): string | undefined {
    const slot = this.#slots.get(key ?? '');
    if (!slot) return 'there is no delivery in its slot';
    slot.inUse -= count;
    return slot.inUse < 0 ? 'a credit came back twice' : undefined;
  }

  #vacate(key: string, inUse: number): string | undefined {
    const slot = this.#slots.get(key);
    this.#slots.delete(key);
    if (!slot) return 'there is no delivery in it';
    return slot.inUse === inUse
      ? undefined
      : `${slot.inUse} credits are in use, and ${inUse} on the scoreboard`;
  }

  end(): string[] {
    return [];
  }
}
