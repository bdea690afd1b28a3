/**
 * Deliveries of the head before, which register with this one at once. Visitors wait for all of them for a moment: the first alone
 * may have few credits left, or serve other names. And they wait for the first as long as they would for one that is busy.
 */
import type { HeadSettings } from '../../shared/config.ts';

/** For the others, once one is there, milliseconds. */
const OTHERS_WITHIN_MS = 100;

export class Expected {
  readonly #names: ReadonlySet<string>;
  readonly #onEnough: () => void;
  #timer: NodeJS.Timeout;
  #isFirst = true;

  private constructor(names: readonly string[], withinMs: number, onEnough: () => void) {
    this.#names = new Set(names);
    this.#onEnough = onEnough;
    this.#timer = setTimeout(onEnough, withinMs);
  }

  /** `names`: undefined when nobody knows. Calls `onEnough` when connections may be handed over. */
  static of(
    names: readonly string[] | undefined,
    { firstDeliveryWithin, stallTimeout }: HeadSettings,
    onEnough: () => void,
  ): Expected {
    const withinMs =
      names === undefined
        ? firstDeliveryWithin
        : names.length === 0
          ? 0
          : Math.max(firstDeliveryWithin, stallTimeout);
    return new Expected(names ?? [], withinMs, onEnough);
  }

  /** These are registered. */
  up(names: readonly string[]): void {
    const there = new Set(names);
    if ([...this.#names].every((name) => there.has(name))) return this.#onEnough();
    if (!this.#isFirst) return;
    this.#isFirst = false;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#onEnough, OTHERS_WITHIN_MS);
  }

  close(): void {
    clearTimeout(this.#timer);
  }
}
