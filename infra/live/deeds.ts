/** Doing what a page asks for: one deed after the other, each checked, and told to all pages. */
import { z } from 'zod';
import { BatonError } from '../../shared/errors.ts';
import { actions } from './actions/index.ts';
import type { Director } from './director.ts';
import type { Hindrance } from './stage.ts';

/** That may wait; a page that asks for more is not a person. */
const WAITING_MAX = 8;

const asked = z.object({ do: z.string().max(40), with: z.unknown().optional() });

const usage = (problem: string) => new BatonError('USAGE', { problem });

export class Deeds {
  readonly #director: Director;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(director: Director) {
    this.#director = director;
  }

  /** `body`: `{"do": NAME, "with": {...}}`. Rejects with a BatonError that says what is wrong with it. */
  async perform(body: string): Promise<void> {
    const parsed = asked.safeParse(readJson(body));
    if (!parsed.success) throw usage('expected {"do": NAME, "with": {...}}');
    const action = actions.find(({ name }) => name === parsed.data.do);
    if (!action) throw usage('there is no such deed');
    const wanted = action.wants.safeParse(parsed.data.with ?? {});
    if (!wanted.success) throw usage(`${action.name} takes other values: ${z.prettifyError(wanted.error)}`);
    if (this.#waiting >= WAITING_MAX) throw usage('too much was asked for at once; wait for what goes on');
    this.#waiting++;
    const run = this.#last.then(() => this.#run(action, wanted.data));
    this.#last = run.catch(() => {}).then(() => void this.#waiting--);
    await run;
  }

  async #run(action: (typeof actions)[number], wanted: unknown): Promise<void> {
    const director = this.#director;
    // When its turn has come: what went before it may have changed that.
    const hindrance = action.hindrance(director, wanted);
    if (hindrance) throw usage(`${hindrance.reason}; ${hindrance.mend}`);
    director.deeds++;
    director.underWay++;
    try {
      const told = await action.act(director, wanted);
      if (told !== undefined) director.tell(kindOf(action.name), told);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      director.tell('problem', message);
      throw error instanceof BatonError ? error : usage(message);
    } finally {
      director.underWay--;
    }
  }
}

function kindOf(name: string): 'switched' | 'killed' | 'head' | 'changed' {
  if (name === 'way' || name === 'turns') return 'switched';
  if (/^(kill|freeze)-/.test(name)) return 'killed';
  return name.endsWith('-head') ? 'head' : 'changed';
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What cannot be done at this moment, by `NAME:KEY` as the page's buttons are called. */
export function hindrances(director: Director): Record<string, Hindrance> {
  return Object.fromEntries(
    actions.flatMap((action) =>
      action.targets(director).flatMap(({ key, to }) => {
        const found = action.hindrance(director, to);
        return found ? [[`${action.name}:${key}`, found] as const] : [];
      }),
    ),
  );
}
