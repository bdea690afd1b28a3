/** What clients and applications of a run of chaos have written, by hand, and what the judge says of it. */
import { checkVisits } from '../../infra/chaos/check.ts';
import type { Happened } from '../../infra/chaos/happened.ts';
import type { Asked, Ended, Records, Served } from '../../infra/chaos/records.ts';

export const DELIVERIES = ['d1', 'l1'];
export const [D1, L1, HEAD] = [11, 21, 9];

export const asked = (id: string, more: Partial<Asked> = {}): Asked => ({
  id,
  kind: 'short',
  connection: `c1-5-${id}`,
  turn: 0,
  connected: 1000,
  from: 1000,
  ...more,
});
export const ended = (id: string, result: string, more: Partial<Ended> = {}): Ended => ({
  id,
  to: 2000,
  result,
  begun: false,
  hops: [],
  ...more,
});
export const served = (id: string, pid: number): Served => ({
  ...{ id, pid, name: DELIVERIES[pid === L1 ? 1 : 0]!, connection: 1, at: 1500 },
});
export const fault = (
  kind: Happened['kind'],
  target: string,
  pid: number,
  more: Partial<Happened> = {},
): Happened => ({
  at: 0,
  lasts: 0,
  kind,
  target,
  pid,
  from: 1600,
  begun: 1650,
  until: 1700,
  mended: 1800,
  ...more,
});

interface Written {
  readonly asked: Asked[];
  readonly ended: Ended[];
  readonly served: Served[];
}
export const check = (records: Written, ...happened: Happened[]) => checkAs(false, records, happened);

/** `byRequest`: each request goes to whom it is for. */
export function checkAs(byRequest: boolean, records: Written, happened: readonly Happened[]) {
  const known: Records = { ...records, ended: new Map(records.ended.map((one) => [one.id, one])) };
  // Each is back a moment after it was mended.
  const back = happened.map(({ mended }) => ({ at: mended + 200, head: 'head', up: DELIVERIES }));
  return checkVisits(known, happened, {
    deliveries: DELIVERIES,
    sightings: back.sort((a, b) => a.at - b.at),
    byRequest,
  });
}
export const one = (result: string, by: number[], more: Partial<Ended> = {}, ask: Partial<Asked> = {}) => ({
  asked: [asked('a', ask)],
  ended: [ended('a', result, more)],
  served: by.map((pid) => served('a', pid)),
});

export const both = {
  asked: [asked('a', { connection: 'c1-5-1' }), asked('b', { connection: 'c1-5-1', turn: 1 })],
  ended: [ended('a', 'ok', { by: D1 }), ended('b', 'ok', { by: L1 })],
  served: [served('a', D1), { ...served('b', L1), at: 1900 }],
};

/** The second request on a connection whose first one d1 has served. */
export const second = (result: string, by: number[], more: Partial<Ended> = {}) => ({
  asked: [asked('a', { connection: 'c1-5-1' }), asked('b', { connection: 'c1-5-1', turn: 1 })],
  ended: [ended('a', 'ok', { by: D1 }), ended('b', result, more)],
  served: [served('a', D1), ...by.map((pid) => ({ ...served('b', pid), at: 1900 }))],
});

/** Between the two heads, over before the visits began but where it says otherwise. */
export const toHead2 = fault('addressMoved', 'head2', 0, {
  ...{ from: 500, begun: 600, until: 600, mended: 600 },
  holders: ['head', 'head2'],
});
