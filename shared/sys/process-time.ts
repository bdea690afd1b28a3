/** What a process does, as the kernel counts it: /proc/PID/stat (proc(5)). */
import { readFileSync } from 'node:fs';

export interface ProcessTime {
  /** CPU time that all its threads have used, in the kernel's ticks (hundredths of a second). */
  readonly ticks: number;
  /** A thread of it has or waits for a CPU. */
  readonly isRunning: boolean;
}

/** Undefined where it can not be known: no such process, or one that this process may not look at. */
export function processTime(pid: number): ProcessTime | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name, in parentheses, may hold anything. Behind it: state (field 3), ..., utime (14), stime (15).
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { ticks: Number(fields[11]) + Number(fields[12]), isRunning: fields[0] === 'R' };
  } catch {
    return undefined;
  }
}
