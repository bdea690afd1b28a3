/**
 * What a check is. Each is a file in `checks/` and a line in `checks/index.ts`; it decides, and reads the machine only
 * through `Machine`, so that a test can show it any machine.
 */
import type { HostPort } from '../../shared/units.ts';
import type { Machine } from './machine.ts';

export const roles = ['head', 'delivery', 'lab'] as const;
export type Role = (typeof roles)[number];

/** `warning`: it works, and something is lost. `lacking`: it does not work. `unknown`: it could not be told. */
export type Outcome = 'ok' | 'warning' | 'lacking' | 'unknown';

export interface Finding {
  readonly outcome: Outcome;
  /** One line. */
  readonly found: string;
  /** The command that fixes it, or in words what to do where no command can. */
  readonly fix?: string;
}

/** What the command line said. */
export interface Asked {
  readonly vips: readonly string[];
  readonly head?: HostPort | undefined;
  readonly secret?: string | undefined;
  readonly delivery?: string | undefined;
  readonly interface?: string | undefined;
}

export interface Check {
  readonly name: string;
  /** Whom it matters to; what matters to all is looked at once. */
  readonly for: readonly Role[];
  /** Undefined when it does not apply to what was asked. What it throws makes it `unknown`. */
  examine(machine: Machine, asked: Asked, role: Role): Finding | undefined | Promise<Finding | undefined>;
}

export const ok = (found: string): Finding => ({ outcome: 'ok', found });

function not(outcome: Outcome) {
  return (found: string, fix?: string): Finding =>
    fix === undefined ? { outcome, found } : { outcome, found, fix };
}
export const warning = not('warning');
export const lacking = not('lacking');
export const unknown = not('unknown');
