/** Holds what clients and applications have written down against each other, and against what the faults may cost. */
import { goesByRequest, mayHaveMoved } from './circumstances.ts';
import { allowedBy, type Visit } from './costs.ts';
import type { Happened, Sighting } from './happened.ts';
import { type Asked, isLocal, type Records, type Served } from './records.ts';

export interface Found {
  /** What must never be, a line each. */
  readonly violations: readonly string[];
  /** How many visits failed by which row and how. */
  readonly allowed: ReadonlyMap<string, number>;
  readonly asked: number;
  /** How often a connection had another application than before, which had given it back: by where it was and went, l or d. */
  readonly moved: ReadonlyMap<string, number>;
  readonly succeeded: number;
}

interface Known {
  readonly deliveries: readonly string[];
  readonly sightings: readonly Sighting[];
  /** Each request goes to whom it is for. */
  readonly byRequest: boolean;
}

export function checkVisits(
  { served, asked, ended }: Records,
  happened: readonly Happened[],
  known: Known,
): Found {
  const violations: string[] = [];
  const allowed = new Map<string, number>();
  const count = (row: string) => allowed.set(row, (allowed.get(row) ?? 0) + 1);
  const servedOf = Map.groupBy(served, ({ id }) => id);
  const { byRequest } = known;
  const mayMove: MayMove = (one, owner, to) =>
    !one.stays &&
    ((byRequest && goesByRequest(one, owner) && isLocal(to.name)) || mayHaveMoved(owner, to.at, happened));
  const { owners, moved } = ownersOf(asked, ended, servedOf, mayMove, violations);
  const killed = new Set(happened.filter(({ kind }) => kind === 'kill').map(({ pid }) => pid));
  let succeeded = 0;
  /** When the last request of each connection had its answer; those of one are in their order. */
  const answered = new Map<string, number>();
  for (const one of asked) {
    const restsSince = answered.get(one.connection);
    const by = servedOf.get(one.id) ?? [];
    const say = (what: string) => violations.push(`${describe(one)}: ${what}`);
    if (by.length > 1)
      say(`served ${by.length} times, by ${by.map(({ pid, at }) => `${pid} at ${at}`).join(', ')}`);
    const end = ended.get(one.id);
    if (!end) {
      // A client's process is in what its connections are called.
      if (!killed.has(Number(one.connection.split('-')[1]))) say('has no end');
      continue;
    }
    if (end.result === 'left') continue;
    if (end.result === 'ok') {
      succeeded++;
      answered.set(one.connection, end.to);
      if (by.length === 0) say(`answered by ${end.by}, and served by nobody`);
      else if (by.every(({ pid }) => pid !== end.by))
        say(`answered by ${end.by}, and served by ${by[0]!.pid}`);
      continue;
    }
    const visit: Visit = {
      asked: one,
      ended: end,
      served: by,
      owner: by[0] ?? owners.get(one.connection),
      restsSince,
      byRequest,
    };
    const row = allowedBy(visit, happened, known);
    if (row === undefined)
      say(
        `${end.result} at ${end.to}, ${by[0] ? `served by ${by[0].pid} at ${by[0].at}` : 'served by nobody'}, owner ${visit.owner?.pid ?? 'unknown'}, hops ${end.hops.join(',') || '-'}; no row of the tables allows it`,
      );
    else count(`${end.result}: ${row}`);
  }
  return { violations, allowed, asked: asked.length, moved, succeeded };
}

const describe = ({ id, kind, from, turn, connected }: Asked) =>
  `${id} (${kind}, turn ${turn}, connected ${connected}) at ${from}`;

/** Its connection may have gone from who served it last to another one. */
type MayMove = (asked: Asked, owner: Served, to: Served) => boolean;

/** Who served each connection last. It has one application, unless that has given it back: two of them are a violation. */
function ownersOf(
  asked: readonly Asked[],
  ended: Records['ended'],
  servedOf: ReadonlyMap<string, readonly Served[]>,
  mayMove: MayMove,
  violations: string[],
): { owners: Map<string, Served>; moved: Map<string, number> } {
  const owners = new Map<string, Served>();
  const moved = new Map<string, number>();
  for (const request of asked) {
    const { id, connection } = request;
    // Who followed a redirect was answered on another connection.
    if ((ended.get(id)?.hops.length ?? 0) > 0) continue;
    for (const one of servedOf.get(id) ?? []) {
      const owner = owners.get(connection);
      const isOther = owner !== undefined && owner.pid !== one.pid;
      if (isOther && mayMove(request, owner, one)) {
        const way = `${owner.name[0]} to ${one.name[0]}`;
        moved.set(way, (moved.get(way) ?? 0) + 1);
      } else if (isOther)
        violations.push(
          `connection ${connection}: served by ${owner.pid} at ${owner.at} and by ${one.pid} at ${one.at}, and not given back`,
        );
      owners.set(connection, one);
    }
  }
  return { owners, moved };
}
