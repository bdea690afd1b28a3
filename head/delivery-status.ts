/** A delivery as `baton status` shows it. */
import type { DeliveryState, DeliveryStatus } from '../shared/status.ts';
import type { Registrant } from './registrant.ts';
import type { PerDelivery, Scoreboard, WorkerCounters } from './scoreboard.ts';

/** All workers' counts for the delivery in a slot. */
export const sumFor = (rows: readonly WorkerCounters[], slot: number, name: PerDelivery): number =>
  rows.reduce((sum, row) => sum + row.getFor(slot, name), 0);

export function statusOf(
  {
    slot,
    state,
    registrant: { introduction, transport },
  }: { readonly slot: number; readonly state: DeliveryState; readonly registrant: Registrant },
  rows: readonly WorkerCounters[],
  scoreboard: Scoreboard,
): DeliveryStatus {
  const { name, pid, direct, weight, credits } = introduction;
  return {
    name,
    pid,
    state,
    transport,
    direct,
    weight,
    credits,
    inUse: state === 'down' ? 0 : scoreboard.inUse(slot),
    untaken: sumFor(rows, slot, 'untaken'),
    taken: sumFor(rows, slot, 'taken'),
    returned: sumFor(rows, slot, 'returned'),
    redirected: sumFor(rows, slot, 'redirected'),
    created: sumFor(rows, slot, 'created'),
  };
}
