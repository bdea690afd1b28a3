/** The visitors' process, seen from the live page's server. */
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Dialogue } from '../../lab/lab.ts';
import type { Stage } from '../stage.ts';
import {
  fromVisitorsSchema,
  type Order,
  type Told,
  type ToVisitors,
  type VisitedWindow,
} from './protocol.ts';

const program = fileURLToPath(new URL(`./visitors-main${extname(import.meta.url)}`, import.meta.url));

/** What they tell when they tell nothing. */
const silent: Heard = { inFlight: 0, ways: {}, busy: 0 };

export interface Heard {
  readonly inFlight: number;
  readonly ways: Readonly<Record<string, Told>>;
  readonly busy: number;
}

export class Visitors {
  readonly #dialogue: Dialogue;
  readonly #onWindow: (window: VisitedWindow) => void;
  readonly #asked = new Map<number, (heard: Heard) => void>();
  readonly #awaited = new Map<number, () => void>();
  #question = 0;
  #stretch = 0;
  #gone = false;

  /** `onEnd`: it ended by itself, and how. */
  constructor(
    converse: NonNullable<Stage['converse']>,
    onWindow: (window: VisitedWindow) => void,
    onEnd: (how: string) => void,
  ) {
    this.#onWindow = onWindow;
    this.#dialogue = converse([process.execPath, program], (line) => this.#hear(line));
    void this.#dialogue.ended.then((how) => {
      const wasTold = this.#gone;
      this.#gone = true;
      for (const answer of this.#asked.values()) answer(silent);
      for (const go of this.#awaited.values()) go();
      if (!wasTold) onEnd(how);
    });
  }

  #hear(line: string): void {
    const parsed = fromVisitorsSchema.safeParse(JSON.parse(line));
    if (!parsed.success) return;
    const said = parsed.data;
    if ('told' in said) {
      this.#asked.get(said.told)?.(said);
    } else if ('over' in said) {
      this.#awaited.get(said.over)?.();
    } else this.#onWindow(said);
  }

  #say(line: ToVisitors): void {
    if (!this.#gone) this.#dialogue.say(JSON.stringify(line));
  }

  /** They go this way from now on; the number of the stretch. */
  go(order: Omit<Order, 'stretch'>): number {
    const stretch = ++this.#stretch;
    this.#say({ order: { ...order, stretch } });
    return stretch;
  }

  /** Resolves when all visits of a stretch of so many windows are over, or after `withinMs`. */
  async over(stretch: number, withinMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, withinMs);
      this.#awaited.set(stretch, () => {
        clearTimeout(timer);
        resolve();
      });
      if (this.#gone) this.#awaited.get(stretch)!();
    });
    this.#awaited.delete(stretch);
  }

  /** What has ended since they were asked last; nothing when they do not answer within the time, and then with the next. */
  async ask(withinMs: number): Promise<Heard> {
    if (this.#gone) return silent;
    const number = ++this.#question;
    const heard = await new Promise<Heard>((resolve) => {
      const timer = setTimeout(resolve, withinMs, silent);
      this.#asked.set(number, (answer) => {
        clearTimeout(timer);
        resolve(answer);
      });
      this.#say({ tell: number });
    });
    this.#asked.delete(number);
    return heard;
  }

  async end(): Promise<void> {
    this.#gone = true;
    await this.#dialogue.end();
  }
}
