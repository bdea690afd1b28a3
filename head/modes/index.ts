/** Every mode's handler, in the order of the numbers on the scoreboard. A new one is a file here, its name and a line. */
import { type Mode, modes } from '../../shared/status.ts';
import { created } from './created.ts';
import { handoff } from './handoff.ts';
import type { ModeHandler } from './mode.ts';
import { redirect } from './redirect.ts';

const byName: Record<Mode, ModeHandler> = { handoff, redirect, created };

export const modeHandlers: readonly ModeHandler[] = modes.map((name) => byName[name]);
