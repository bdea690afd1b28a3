/** Something that can be done from the page: a file beside this one and a line in index.ts. */
import type { z } from 'zod';
import type { Director } from '../director.ts';
import type { Hindrance } from '../stage.ts';

export interface Action<Schema extends z.ZodType = z.ZodType> {
  /** In the address of no request: a body names it. */
  readonly name: string;
  readonly wants: Schema;
  /** What it can be done to on this stage, each with the key that the page has for its button. */
  targets(director: Director): readonly { readonly key: string; readonly to: z.output<Schema> }[];
  /** Why not, and what helps; undefined when it can be done. */
  hindrance(director: Director, wanted: z.output<Schema>): Hindrance | undefined;
  /** Does it. What is written in the list of events, nothing where that says it itself. */
  act(director: Director, wanted: z.output<Schema>): Promise<string | undefined>;
}

/** So that its functions know what `wants` allows. */
export const action = <Schema extends z.ZodType>(one: Action<Schema>): Action => one as unknown as Action;

export const ownLabOnly = (what: string): Hindrance => ({
  reason: `${what} was started by others, and this page ends nothing that is theirs`,
  mend: 'baton lab live starts a lab of its own',
});

export const noVisits: Hindrance = {
  reason: 'nobody visits from here',
  mend: 'start again with --address http://HOST:PORT',
};
