/** Connections that were handed over, or led past the head, notice nothing of a head that is killed; those of a proxy do. */
import test from 'ava';
import { runExperiment } from '../../../infra/experiments/kit/run.ts';
import { longLived } from '../../../infra/experiments/long-lived.ts';
import type { LabKind } from '../../../infra/lab/kinds/kind.ts';
import { loopback } from '../../../infra/lab/kinds/loopback.ts';
import { netns } from '../../../infra/lab/kinds/netns.ts';
import { reportSchema } from '../../../infra/report/schema.ts';
import { createProgress } from '../../../infra/terminal/progress.ts';
import { has } from '../../support/needs.ts';
import { asRoot } from '../../support/netns.ts';

/** By way: rows of what, connections lost, messages lost, longest gap, new connections that failed. */
async function run(on: LabKind): Promise<Map<string, string[][]>> {
  const report = await runExperiment(longLived, {
    on,
    quick: true,
    signal: new AbortController().signal,
    progress: createProgress({ write: () => {} }),
  });
  reportSchema.parse(report);
  return Map.groupBy(report.tables[0]!.rows, ([way]) => way!);
}

const kinds = ['WebSocket', 'WebSocket over TLS', 'events', 'events over TLS'];
const lost = (cell: string) => Number(cell.split(' of ')[0]);
const all = (cell: string) => Number(cell.split(' of ')[1]);

const body = (on: LabKind, ways: readonly string[]) => async (t: import('ava').ExecutionContext) => {
  const found = await run(on);
  t.deepEqual([...found.keys()], [...ways, ...(has('haproxy') ? ['proxy'] : [])]);
  for (const [way, rows] of found) {
    t.deepEqual(
      rows.map((row) => row[1]),
      kinds,
    );
    for (const [, what, connections, messages, , fresh] of rows) {
      const where = `${way}, ${what}`;
      t.is(all(connections!), 5, where);
      t.true(all(messages!) > 200, `${where}: ${messages}`);
      if (way === 'proxy') {
        t.is(lost(connections!), 5, where);
        t.true(lost(messages!) > 20, `${where}: ${messages}`);
      } else {
        t.is(lost(connections!), 0, where);
        t.is(lost(messages!), 0, `${where}: ${messages}`);
      }
      // While nobody listens there nobody is let in, and who goes straight to a delivery does not notice.
      if (way === 'direct') t.is(lost(fresh!), 0, `${where}: ${fresh}`);
      else t.true(lost(fresh!) >= 3, `${where}: ${fresh}`);
    }
  }
};

test.serial('over loopback', body(loopback, ['direct', 'handoff-fd', 'redirect', 'created']));

asRoot([], test.serial)(
  'between hosts, connections that moved to another one included',
  body(netns, ['direct', 'handoff-fd', 'handoff-migrate', 'redirect', 'created']),
);
