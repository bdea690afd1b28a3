import type { Case, Round } from '../../report/schema.ts';
import { summariseRounds } from '../../report/summarise.ts';
import type { ExperimentContext } from './experiment.ts';
import type { Load } from './measure.ts';
import { measure } from './measure.ts';
import type { Way } from './ways.ts';

/**
 * Rounds over every way and every place on an x axis. In each round each case has its turn, so that whatever else the
 * machine does falls on all of them; each round begins with another way, so that none always follows the same one.
 */
export interface Grid {
  readonly ways: readonly Way[];
  readonly rounds: number;
  readonly xs: readonly GridX[];
}

export interface GridX {
  /** null where there is no axis. */
  readonly x: number | null;
  /** Behind the way's name in a case's: `redirect, 50 ms`. Empty where there is no axis. */
  readonly label: string;
  readonly load: Load;
  /** How long a visit takes, about: turns end with the last one. Default 0. */
  readonly visitMs?: number;
  /** Before the ways have their turns. */
  prepare?(): Promise<void>;
}

interface GridResult {
  readonly cases: Case[];
  readonly warnings: string[];
}

/** What a turn takes beyond its load, milliseconds: a process starts, the head is asked how it is. */
const OVERHEAD_MS = 700;

const turnMs = ({ load, visitMs = 0 }: GridX) =>
  (load.warmUpMs ?? 0) + load.durationMs + visitMs + OVERHEAD_MS;

/** How long it takes, about. */
export function gridMs({ ways, rounds, xs }: Grid): number {
  return rounds * ways.length * xs.reduce((sum, each) => sum + turnMs(each), 0);
}

/** Ends early, with what it has, when the context's signal says so. */
export async function measureGrid(grid: Grid, { progress, signal }: ExperimentContext): Promise<GridResult> {
  const { ways, rounds, xs } = grid;
  const found = new Map<string, Round[]>();
  const warnings: string[] = [];
  for (let round = 1; round <= rounds; round++) {
    for (const x of xs) {
      if (!signal.aborted) await x.prepare?.();
      for (let turn = 0; turn < ways.length && !signal.aborted; turn++) {
        const way = ways[(turn + round - 1) % ways.length]!;
        const name = caseName(way, x);
        const measured = await progress.during(`round ${round} of ${rounds}: ${name}`, turnMs(x), () =>
          measure(way, round, { ...x.load, signal }),
        );
        if (!measured) continue;
        found.set(name, [...(found.get(name) ?? []), measured.round]);
        warnings.push(...measured.warnings.map((text) => `${name}, round ${round}: ${text}`));
      }
    }
  }
  const cases = xs.flatMap((x) =>
    ways.map((way) => {
      const measured = found.get(caseName(way, x)) ?? [];
      return {
        name: caseName(way, x),
        way: way.name,
        x: x.x,
        description: way.description,
        rounds: measured,
        summary: summariseRounds(measured),
      };
    }),
  );
  return { cases, warnings };
}

const caseName = (way: Way, { label }: GridX) => (label === '' ? way.name : `${way.name}, ${label}`);
