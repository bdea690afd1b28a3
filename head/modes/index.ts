/** The modes as the head knows them: by the number that stands on the scoreboard, and what can come of a connection in each. */
import { type Mode, modes } from '../../shared/status.ts';
import * as handlers from './all.ts';
import type { ModeHandler } from './mode.ts';

const byName = handlers satisfies Record<Mode, unknown>;

/** What a connection of any mode can come to, as `mode_outcome`. */
export type ModeOutcome = {
  [M in Mode]: `${M}_${(typeof byName)[M]['outcomes'][number]}`;
}[Mode];

/** A mode acts through a desk that takes its own outcomes, and is called with one that takes them all. */
export const modeHandlers = modes.map((name) => byName[name]) as unknown as readonly ModeHandler[];

/** All of them, each under its mode. */
export const modeOutcomes: readonly {
  readonly mode: Mode;
  readonly outcome: string;
  readonly total: ModeOutcome;
}[] = modes.flatMap((mode) =>
  byName[mode].outcomes.map((outcome) => ({ mode, outcome, total: `${mode}_${outcome}` as ModeOutcome })),
);
