/** What every Baton process says of itself, under the names that Prometheus's own clients use. */
import { readdirSync, readFileSync } from 'node:fs';
import type { Metrics } from './metrics.ts';
import { openFilesLimit } from './sys/limits.ts';
import { version } from './version.ts';

/** `role`: head or delivery. */
export function addProcessMetrics(metrics: Metrics, role: string): void {
  metrics.gauge('baton_build_info', 'Always 1; the labels say what runs', (set) =>
    set(1, { version, node: process.versions.node, role }),
  );
  metrics.counter('process_cpu_seconds_total', 'User and system CPU time, of all threads', (set) => {
    const { user, system } = process.cpuUsage();
    set((user + system) / 1e6);
  });
  const startedAt = Date.now() / 1000 - process.uptime();
  metrics.gauge('process_start_time_seconds', 'When the process started, since 1970', (set) =>
    set(startedAt),
  );
  metrics.gauge('process_resident_memory_bytes', 'Memory in use', (set) => set(process.memoryUsage.rss()));
  metrics.gauge('process_virtual_memory_bytes', 'Address space', (set) => {
    const pages = readStat()?.split(' ')[0];
    if (pages !== undefined) set(Number(pages) * PAGE);
  });
  metrics.gauge('process_open_fds', 'Open files', (set) => {
    const count = countFiles();
    if (count !== undefined) set(count);
  });
  metrics.gauge('process_max_fds', 'Limit on open files', (set) => set(openFilesLimit()));
  metrics.gauge('nodejs_heap_size_used_bytes', "V8's heap of the main thread, in use", (set) =>
    set(process.memoryUsage().heapUsed),
  );
  metrics.counter('nodejs_eventloop_turns_total', 'Turns of the main event loop', (set) =>
    set(performance.nodeTiming.uvMetricsInfo.loopCount),
  );
  metrics.counter(
    'nodejs_eventloop_active_seconds_total',
    'Time that the main event loop was at work',
    (set) => set(performance.eventLoopUtilization().active / 1000),
  );
}

const PAGE = 4096;

function readStat(): string | undefined {
  try {
    return readFileSync('/proc/self/statm', 'latin1');
  } catch {
    return undefined;
  }
}

function countFiles(): number | undefined {
  try {
    return readdirSync('/proc/self/fd').length;
  } catch {
    return undefined;
  }
}
