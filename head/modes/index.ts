/** Every mode's handler, in the order of the numbers on the scoreboard. A new one is a file here, a line, and its name. */
import { type Mode, modes } from '../../shared/status.ts';
import { created } from './created.ts';
import { handoff } from './handoff.ts';
import type { ModeHandler } from './mode.ts';
import { redirect } from './redirect.ts';

const byName = { handoff, redirect, created } satisfies Record<Mode, unknown>;

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
