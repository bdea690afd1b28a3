/** What the kernel says that a process used, and which cores it runs on. */
import { readdir, readFile } from 'node:fs/promises';
import { BatonError } from '../../shared/errors.ts';
import { runTool } from '../processes/tool.ts';

/** A reading of a process's CPU time since it started. */
export interface CpuReading {
  readonly totalMicros: number;
  readonly userTicks: number;
  readonly systemTicks: number;
}

/** CPU time between two readings, in microseconds. */
export interface Cpu {
  readonly totalMicros: number;
  readonly userMicros: number;
  readonly systemMicros: number;
}

/**
 * CPU time of one process: all of its threads, none of its children.
 *
 * The total is the sum of the threads' `schedstat`, in nanoseconds; `/proc/PID/schedstat` itself shows only the first
 * thread. The ticks of `/proc/PID/stat` (10 ms, proc_pid_stat(5)) are too coarse for a total but good for the share of
 * user and system. A thread that ends between two readings would be lost; no process measured here ends one then.
 */
export async function readCpu(pid: number): Promise<CpuReading> {
  const threads = await readdir(`/proc/${pid}/task`);
  const times = threads.map(async (thread) => {
    const text = await readFile(`/proc/${pid}/task/${thread}/schedstat`, 'utf8');
    return Number(text.split(' ')[0]) / 1000;
  });
  const totalMicros = (await Promise.all(times)).reduce((sum, time) => sum + time, 0);
  // The command's name, in parentheses, may hold spaces: count the fields after it. utime and stime are 14 and 15.
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { totalMicros, userTicks: Number(fields[11]), systemTicks: Number(fields[12]) };
}

export function cpuBetween(before: CpuReading, after: CpuReading): Cpu {
  const totalMicros = after.totalMicros - before.totalMicros;
  const user = after.userTicks - before.userTicks;
  const ticks = user + after.systemTicks - before.systemTicks;
  const userMicros = ticks === 0 ? 0 : (totalMicros * user) / ticks;
  return { totalMicros, userMicros, systemMicros: totalMicros - userMicros };
}

/** Cores for the head and for everything else, as taskset(1) reads them: `0` and `1,2,3`. */
export interface Cores {
  readonly head: string;
  readonly rest: string;
}

/** The first core that this process may use goes to the head, the others to the rest; a single one to both. */
export async function chooseCores(): Promise<Cores> {
  const status = await readFile('/proc/self/status', 'utf8');
  const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(status)![1]!;
  const cores = list.split(',').flatMap((range) => {
    const [from, to] = range.split('-').map(Number);
    return Array.from({ length: (to ?? from!) - from! + 1 }, (_, at) => from! + at);
  });
  const [head, ...rest] = cores.map(String);
  return { head: head!, rest: rest.length === 0 ? head! : rest.join(',') };
}

/** Moves a process and every thread that it has now to `cores`; threads and children that it starts later follow. */
export async function pin(pid: number, cores: string): Promise<void> {
  const { failed, stderr } = await runTool(['taskset', '-a', '-c', '-p', cores, String(pid)], 'util-linux');
  if (failed)
    throw new BatonError('CALL_FAILED', { call: `taskset ${cores}`, errno: '', problem: stderr.trim() });
}
