/**
 * A generator as a process of its own, of several that visit together (`--procs`). What it is to do, and what came of it, goes
 * through the channel to the process that started it, with which it ends.
 */
import { runFirst } from '../../shared/sys/realtime.ts';
import type { Answer, Order } from './generators.ts';
import { runVisits } from './run.ts';

let stop = new AbortController();
const tell = (answer: Answer) => process.send!(answer);
// A terminal's Ctrl-C reaches it too: the process that started it says what follows.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const) process.on(signal, () => {});
process.once('disconnect', () => process.exit(0));

let priority = 0;
let realtime: boolean | undefined;

process.on('message', (order: Order) => {
  if (order.kind === 'stop') return stop.abort();
  if (order.kind === 'priority') {
    priority = order.priority;
    return tell({ kind: 'ready' });
  }
  stop = new AbortController();
  const { options, slowAfterMs } = order;
  if (options.realtime) realtime ??= runFirst(priority);
  runVisits({
    ...options,
    realtime: options.realtime === true && realtime === true,
    signal: stop.signal,
    onProgress: (progress) => tell({ kind: 'progress', progress }),
    slow:
      slowAfterMs === undefined
        ? undefined
        : {
            afterMs: slowAfterMs ?? Number.POSITIVE_INFINITY,
            onCount: (count) => tell({ kind: 'slow', count }),
          },
  }).then(
    (result) => tell({ kind: 'result', result }),
    (error: Error) => tell({ kind: 'failed', message: error.message }),
  );
});
