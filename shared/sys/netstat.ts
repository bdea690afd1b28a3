/** What the kernel counts for all TCP sockets of a network namespace, from /proc/PID/net/netstat (net/ipv4/proc.c). */
import { readFileSync } from 'node:fs';

/** Totals since the namespace of this process was made; null where the kernel does not show them. */
export function readTcpExt<Name extends string>(
  names: readonly Name[],
  pid: number | 'self' = 'self',
): Record<Name, number | null> {
  let text = '';
  try {
    text = readFileSync(`/proc/${pid}/net/netstat`, 'utf8');
  } catch {
    // It has ended, or there is no /proc.
  }
  const [known, values] = text
    .split('\n')
    .filter((line) => line.startsWith('TcpExt:'))
    .map((line) => line.split(' '));
  const value = (name: Name): number | null => {
    const index = known?.indexOf(name) ?? -1;
    return index < 0 ? null : Number(values?.[index]);
  };
  return Object.fromEntries(names.map((name) => [name, value(name)])) as Record<Name, number | null>;
}
