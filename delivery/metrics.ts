/** A delivery's metrics, for `baton delivery --metrics`: what it has from its head, and how its event loop does. */
import type { Server, Socket } from 'node:net';
import { Metrics } from '../shared/metrics.ts';
import { addProcessMetrics } from '../shared/process-metrics.ts';
import { connectionInfo } from './connections.ts';
import type { Receiver } from './receive-options.ts';

/** How connections come: by fd, by migration, or to the direct address. */
const ways = ['fd', 'migrate', 'direct'] as const;

/** How often the event loop is asked how late it is, milliseconds. */
const ASK_EVERY_MS = 20;
/** Upper bounds of its delay, seconds. */
const delayBounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

/** Counts what comes to `server` from now on. `stop` ends the timer of the event loop's delay. */
export function createDeliveryMetrics(
  server: Server,
  receiver: Receiver,
): { metrics: Metrics; stop(): void } {
  const metrics = new Metrics();
  const came = { fd: 0, migrate: 0, direct: 0 };
  let directOpen = 0;
  let requests = 0;
  const directClosed = () => {
    directOpen--;
  };
  server.on('connection', (socket: Socket) => {
    const way = connectionInfo(socket)?.transport ?? 'direct';
    came[way]++;
    if (way !== 'direct') return;
    directOpen++;
    socket.once('close', directClosed);
  });
  server.on('request', () => {
    requests++;
  });
  const delay = measureDelay();

  addProcessMetrics(metrics, 'delivery');
  metrics.gauge('baton_receiver_registered', '1 while a head has it', (set) =>
    set(receiver.registered ? 1 : 0),
  );
  metrics.gauge('baton_receiver_credits', 'Connections that it holds at once', (set) =>
    set(receiver.credits),
  );
  metrics.gauge('baton_receiver_connections_open', 'Connections that it holds now', (set) => {
    set(receiver.connections, { how: 'handed_over' });
    set(directOpen, { how: 'direct' });
  });
  metrics.counter('baton_receiver_connections_total', 'Connections that came, and how', (set) => {
    for (const how of ways) set(came[how], { how });
  });
  metrics.counter('baton_receiver_requests_total', 'Requests, of all connections', (set) => set(requests));
  metrics.histogram('nodejs_eventloop_delay_seconds', 'How late the event loop was', delayBounds, () => [
    delay,
  ]);
  return { metrics, stop: delay.stop };
}

/** Counts by bucket of `delayBounds`, as they grow. */
function measureDelay() {
  const counts = new Float64Array(delayBounds.length + 1);
  let due = performance.now() + ASK_EVERY_MS;
  const timer = setInterval(() => {
    const now = performance.now();
    const late = Math.max(0, now - due) / 1000;
    due = now + ASK_EVERY_MS;
    const bucket = delayBounds.findIndex((bound) => late <= bound);
    counts[bucket < 0 ? delayBounds.length : bucket]!++;
    delay.sum += late;
  }, ASK_EVERY_MS);
  timer.unref();
  const delay = { counts, sum: 0, stop: () => clearInterval(timer) };
  return delay;
}
