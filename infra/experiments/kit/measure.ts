import type { HeadStatus } from '../../../shared/status.ts';
import { type VisitFromOptions, visitFrom } from '../../lab/visit-from.ts';
import type { Round } from '../../report/schema.ts';
import type { VisitResult } from '../../visits/result.ts';
import type { Way } from './ways.ts';

export type Load = Omit<VisitFromOptions, 'urls' | 'seed'> & {
  readonly paths: readonly string[];
  /** Default http. */
  readonly scheme?: 'http' | 'https';
};

interface Measured {
  readonly round: Round;
  /** What shows that it was not the way it should have been. */
  readonly warnings: readonly string[];
}

/** Visits one way for one round. Undefined when it was cut off before it measured anything. */
export async function measure(
  way: Way,
  round: number,
  { paths, scheme = 'http', ...load }: Load,
): Promise<Measured | undefined> {
  const { lab } = way;
  await way.choose();
  const before = await lab.head.status();
  const visits = await visitFrom(lab.client, {
    ...load,
    urls: paths.flatMap((path) => way.hosts.map((host) => `${scheme}://${host}${path}`)),
    seed: round,
  });
  if (!visits || visits.visits === 0) return undefined;
  const after = await lab.head.status();
  const accepted = after.accepted - before.accepted;
  return {
    round: {
      round,
      visits,
      headConnections: Math.max(0, accepted),
      headCpuMicrosPerConnection: accepted > 0 ? (cpuOf(after) - cpuOf(before)) / accepted : null,
    },
    warnings: [
      ...visits.generator.warnings,
      ...otherAnswers(way, visits),
      ...otherTakers(way, before, after),
    ],
  };
}

const cpuOf = (status: HeadStatus) => status.cpu.userMicros + status.cpu.systemMicros;

const expectedRedirect: Readonly<Record<string, string>> = { redirect: '307', created: '201' };

/** A head that falls back to a redirect would have its handoffs measured as something else. */
function otherAnswers({ name }: Way, { redirects, visits, failed, interrupted }: VisitResult): string[] {
  const expected = expectedRedirect[name];
  const wrong = Object.entries(redirects).filter(([status]) => status !== expected);
  const followed = redirects[expected ?? ''] ?? 0;
  return [
    ...wrong.map(([status, count]) => `${count} visits of ${visits} were answered ${status} on their way`),
    ...(expected !== undefined && followed < visits - failed - interrupted
      ? [`only ${followed} visits of ${visits} were answered ${expected}`]
      : []),
  ];
}

/** Connections that a delivery of another transport took. */
function otherTakers({ mode, deliveries }: Way, before: HeadStatus, after: HeadStatus): string[] {
  if (mode !== 'handoff') return [];
  const takenBefore = new Map(before.deliveries.map(({ name, taken }) => [name, taken]));
  return after.deliveries.flatMap(({ name, taken }) => {
    const count = taken - (takenBefore.get(name) ?? 0);
    return count > 0 && !deliveries.some((delivery) => delivery.name === name)
      ? [`${count} connections were taken by ${name}, which is not one of this way`]
      : [];
  });
}
