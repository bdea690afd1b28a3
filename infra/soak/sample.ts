/** What is seen of a head now and then. */
import type { HeadStatus } from '../../shared/status.ts';
import { getMetrics } from '../admin-client.ts';
import type { Lab } from '../lab/lab.ts';

export interface HeadSample {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly residentBytes: number;
  /** Of the main thread. */
  readonly heapBytes: number;
  readonly fds: number;
  readonly open: number;
  readonly lingering: number;
  /** Connections that moved to other hosts. */
  readonly flows: number;
  /** Held by deliveries or on their way to them. */
  readonly inUse: number;
  readonly accepted: number;
  /** accepted + given back - open - all outcomes: 0 when the counters are even. */
  readonly uncounted: number;
  readonly cpuMicros: number;
}

export async function sampleHead(lab: Pick<Lab, 'head'>): Promise<HeadSample> {
  const { head } = lab;
  const metrics = await getMetrics(head.admin);
  const status = await head.status();
  const metric = (name: string) => Number(new RegExp(`^${name} (.*)$`, 'm').exec(metrics)?.[1]);
  const { open, lingering, accepted, cpu, migration, deliveries } = status;
  return {
    at: Date.now(),
    residentBytes: metric('process_resident_memory_bytes'),
    heapBytes: metric('nodejs_heap_size_used_bytes'),
    fds: metric('process_open_fds'),
    open,
    lingering,
    flows: migration?.flows.count ?? 0,
    inUse: deliveries.reduce((sum, each) => sum + (each.state === 'down' ? 0 : each.inUse), 0),
    accepted,
    uncounted: accepted + status.givenBack - open - countOutcomes(status),
    cpuMicros: cpu.userMicros + cpu.systemMicros,
  };
}

function countOutcomes({ outcomes, inspectionFailures }: HeadStatus): number {
  const all = [...Object.values(outcomes), inspectionFailures].flatMap((counts) => Object.values(counts));
  return all.reduce((sum, count) => sum + count, 0);
}

/** Nothing of a visit is left at the head or at a delivery. */
export const isIdle = ({ open, lingering, flows, inUse }: HeadSample): boolean =>
  open + lingering + flows + inUse === 0;
