/** What the kernel counts for all listeners of the host. */
import { readTcpExt } from '../shared/sys/netstat.ts';

export interface ListenCounters {
  /** Connections refused because an accept queue was full (TcpExtListenOverflows). */
  readonly overflows: number | null;
  /** SYNs dropped at a listener, for whatever reason (TcpExtListenDrops). */
  readonly drops: number | null;
}

/** Totals since the network namespace was made; null where the kernel does not show them. */
export function readListenCounters(): ListenCounters {
  const { ListenOverflows, ListenDrops } = readTcpExt(['ListenOverflows', 'ListenDrops']);
  return { overflows: ListenOverflows, drops: ListenDrops };
}
