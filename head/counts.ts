import type { HeadStatus } from '../shared/status.ts';
import { inspectionFailures, type Total } from './board.ts';
import type { readListenCounters } from './kernel.ts';

/** What became of connections, as a status tells it: accepted = open + the sum of all the rest. */
export function countsOf(
  total: (name: Total) => number,
): Pick<HeadStatus, 'accepted' | 'open' | 'outcomes' | 'inspectionFailures'> {
  return {
    accepted: total('accepted'),
    open: total('open'),
    outcomes: {
      handoff: {
        taken: total('handoff_taken'),
        redirected: total('handoff_redirected'),
        unavailable: total('handoff_unavailable'),
        lost: total('handoff_lost'),
      },
      redirect: { answered: total('redirect_answered'), unavailable: total('redirect_unavailable') },
      created: { answered: total('created_answered'), unavailable: total('created_unavailable') },
    },
    inspectionFailures: Object.fromEntries(inspectionFailures.map((name) => [name, total(name)])),
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
