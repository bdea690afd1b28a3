/** What the kernel counts for all listeners of the host, from /proc/net/netstat (net/ipv4/proc.c). */
import { readFileSync } from 'node:fs';

export interface ListenCounters {
  /** Connections refused because an accept queue was full (TcpExtListenOverflows). */
  readonly overflows: number | null;
  /** SYNs dropped at a listener, for whatever reason (TcpExtListenDrops). */
  readonly drops: number | null;
}

/** Totals since the network namespace was made; null where the kernel does not show them. */
export function readListenCounters(): ListenCounters {
  let text: string;
  try {
    text = readFileSync('/proc/net/netstat', 'utf8');
  } catch {
    return { overflows: null, drops: null };
  }
  const [names, values] = text
    .split('\n')
    .filter((line) => line.startsWith('TcpExt:'))
    .map((line) => line.split(' '));
  const value = (name: string): number | null => {
    const index = names?.indexOf(name) ?? -1;
    return index < 0 ? null : Number(values?.[index]);
  };
  return { overflows: value('ListenOverflows'), drops: value('ListenDrops') };
}
