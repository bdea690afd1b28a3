import { readFileSync } from 'node:fs';

/** The kernel's TCP counters of this namespace, by the names that nstat(8) gives them. */
export function tcpCounters(): Record<string, number> {
  const counters: Record<string, number> = {};
  for (const file of ['/proc/net/snmp', '/proc/net/netstat']) {
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
    for (let i = 0; i + 1 < lines.length; i += 2) {
      const [group, ...names] = lines[i]!.split(' ');
      const values = lines[i + 1]!.split(' ').slice(1);
      for (const [at, name] of names.entries()) counters[group!.slice(0, -1) + name] = Number(values[at]);
    }
  }
  return counters;
}
