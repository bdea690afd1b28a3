import { type HeadStatus, modes } from '../shared/status.ts';
import type { readListenCounters } from './listen-counters.ts';
import { modeOutcomes } from './modes/index.ts';
import { inspectionFailures } from './refusals.ts';
import { type Total, totals, type WorkerCounters } from './scoreboard.ts';

/** Each connection is counted under one of these, once. */
const ends: readonly Total[] = [...modeOutcomes.map(({ total }) => total), ...inspectionFailures];

const comes = (name: Total): boolean => name === 'accepted' || name === 'given_back';

/** All workers' totals at one moment. `open` is here what has no outcome yet; `lingering`, what has one and is still held. */
export interface Snapshot {
  readonly totals: Readonly<Record<Total, number>>;
  readonly lingering: number;
}

/**
 * The workers go on counting while their rows are read, and count a connection's outcome and its end at two moments. So what
 * is open is what was accepted and has no outcome, and accepted = open + the sum of all outcomes, whenever somebody looks.
 */
export function takeSnapshot(rows: readonly WorkerCounters[]): Snapshot {
  const sum = (name: Total): number => rows.reduce((so, row) => so + row.get(name), 0);
  const all = Object.fromEntries(totals.map((name) => [name, comes(name) ? 0 : sum(name)])) as Record<
    Total,
    number
  >;
  // After the outcomes: what was accepted meanwhile is open at the most.
  all.accepted = sum('accepted');
  all.given_back = sum('given_back');
  const held = all.open;
  all.open = all.accepted + all.given_back - ends.reduce((so, name) => so + all[name], 0);
  return { totals: all, lingering: Math.max(0, held - all.open) };
}

/** What became of connections, as a status tells it. */
export function countsOf({
  totals: of,
  lingering,
}: Snapshot): Pick<
  HeadStatus,
  'accepted' | 'givenBack' | 'nextRequests' | 'open' | 'lingering' | 'outcomes' | 'inspectionFailures'
> {
  return {
    accepted: of.accepted,
    givenBack: of.given_back,
    nextRequests: { moved: of.requests_moved, chosen: of.requests_chosen, stayed: of.requests_stayed },
    open: of.open,
    lingering,
    outcomes: Object.fromEntries(
      modes.map((name) => [
        name,
        Object.fromEntries(
          modeOutcomes.filter(({ mode }) => mode === name).map(({ outcome, total }) => [outcome, of[total]]),
        ),
      ]),
    ),
    inspectionFailures: Object.fromEntries(inspectionFailures.map((name) => [name, of[name]])),
  };
}

type ListenCounters = ReturnType<typeof readListenCounters>;

/** How much the host's counters have grown; null where the kernel does not show them. */
export function growthOf(now: ListenCounters, then: ListenCounters): HeadStatus['kernel'] {
  const since = (after: number | null, before: number | null) =>
    after === null || before === null ? null : after - before;
  return {
    listenOverflows: since(now.overflows, then.overflows),
    listenDrops: since(now.drops, then.drops),
  };
}
