import type { Cluster } from './cluster.ts';

export const ONE_WORKER = ['--workers', '1'] as const;

/** Every accepted connection has ended in exactly one of the ways that are counted. */
export async function assertAllAccountedFor(
  t: { is(a: unknown, b: unknown, m?: string): void },
  cluster: Cluster,
): Promise<void> {
  const status = await cluster.untilStatus(
    'nothing is open',
    ({ open, lingering }) => open + lingering === 0,
  );
  const ends = [...Object.values(status.outcomes), status.inspectionFailures].flatMap((counts) =>
    Object.values(counts),
  );
  t.is(
    ends.reduce((sum, count) => sum + count, 0),
    status.accepted + status.givenBack,
    'all accepted connections are accounted for',
  );
}
