/**
 * Which deliveries serve which names, in one worker: those that name a server before those that serve all below a name, and
 * of these the longest first, before those that serve every name. Who says nothing of names serves every one.
 */
import { EVERY_NAME, WILDCARD } from '../../shared/served-names.ts';

/** Slots, in ascending order. */
type Slots = readonly number[];
const NONE: Slots = [];

export class ServedNames {
  /** Every slot that there is. */
  everyone: Slots = NONE;
  /** Some delivery has said which names it serves. */
  matter = false;
  #everyName: Slots = NONE;
  readonly #served = new Map<number, readonly string[] | undefined>();
  readonly #exact = new Map<string, Slots>();
  /** By what the names end in, the dot before it included. */
  readonly #below = new Map<string, Slots>();

  join(slot: number, serves: readonly string[] | undefined): void {
    this.#served.set(slot, serves);
    this.#index();
  }

  leave(slot: number): void {
    this.#served.delete(slot);
    this.#index();
  }

  #index(): void {
    const slots = [...this.#served.keys()].sort((a, b) => a - b);
    this.everyone = slots;
    this.matter = slots.some((slot) => this.#served.get(slot) !== undefined);
    this.#exact.clear();
    this.#below.clear();
    const everyName: number[] = [];
    for (const slot of slots) {
      for (const name of this.#served.get(slot) ?? [EVERY_NAME]) {
        if (name === EVERY_NAME) everyName.push(slot);
        else if (name.startsWith(WILDCARD)) add(this.#below, name.slice(1), slot);
        else add(this.#exact, name, slot);
      }
    }
    this.#everyName = everyName;
  }

  /**
   * The most specific ones for `name` (empty: the client asks for nobody in particular) of which at least one `isUp`: who is
   * full is asked to make room, not passed over for somebody who serves less well. Where none is up, those that would be
   * asked; nobody where none serves it.
   */
  forName(name: string, isUp: (slot: number) => boolean): Slots {
    let down = NONE;
    const exact = this.#exact.get(name);
    if (exact) {
      if (exact.some(isUp)) return exact;
      down = exact;
    }
    if (this.#below.size > 0) {
      for (let dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1)) {
        const below = dot > 0 ? this.#below.get(name.slice(dot)) : undefined;
        if (!below) continue;
        if (below.some(isUp)) return below;
        if (down === NONE) down = below;
      }
    }
    if (down === NONE || this.#everyName.some(isUp)) return this.#everyName;
    return down;
  }
}

function add(to: Map<string, Slots>, name: string, slot: number): void {
  const slots = to.get(name) ?? NONE;
  // It may have said it twice.
  if (slots.at(-1) !== slot) to.set(name, [...slots, slot]);
}
