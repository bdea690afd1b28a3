/** The head's metrics. The scoreboard is the truth; a scrape reads it, nothing is counted twice. */
import { Metrics } from '../shared/metrics.ts';
import { addProcessMetrics } from '../shared/process-metrics.ts';
import { deliveryStates, type HeadStatus, modes, placed } from '../shared/status.ts';
import { type Measures, stages } from './migrate/measures.ts';
import { latencyBounds, type Total, type WorkerCounters } from './scoreboard.ts';

export interface MetricsSource {
  readonly rows: readonly WorkerCounters[];
  status(): HeadStatus;
  total(name: Total): number;
  /** Undefined while there are no deliveries on other hosts. */
  migration(): Measures | undefined;
}

const seconds = latencyBounds.map((micros) => micros / 1e6);

/** Metrics whose every value is read when it is asked for. */
export function createMetrics(head: MetricsSource): Metrics {
  // Asked once for all that is read of it.
  let status: HeadStatus | undefined;
  const metrics = new Metrics(() => {
    status = head.status();
  });
  const source: MetricsSource = { ...head, status: () => status ?? head.status() };
  addProcessMetrics(metrics, 'head');
  addConnections(metrics, source);
  addQueues(metrics, source);
  addDeliveries(metrics, source);
  addMigrations(metrics, source);
  return metrics;
}

function addConnections(metrics: Metrics, source: MetricsSource): void {
  metrics.counter('baton_connections_accepted_total', 'Connections accepted', (set) =>
    set(source.total('accepted')),
  );
  metrics.counter(
    'baton_connections_given_back_total',
    'Connections that deliveries have given back, each to come to an outcome once more',
    (set) => set(source.total('given_back')),
  );
  metrics.counter(
    'baton_next_requests_total',
    'Next requests that deliveries have asked about: "moved" to another, the one that asked was "chosen", or they "stayed" as nobody could take them',
    (set) => {
      for (const [answer, count] of Object.entries(source.status().nextRequests)) set(count, { answer });
    },
  );
  metrics.states('baton_distribute', 'What is placed by the policy is 1', 'what', placed, (set) =>
    set(source.status().distribute),
  );
  metrics.gauge(
    'baton_connections_open',
    'Connections of which it is not decided yet what becomes of them',
    (set) => set(source.total('open')),
  );
  metrics.gauge(
    'baton_connections_lingering',
    'Answered connections that are held until their client has read',
    (set) => set(source.status().lingering),
  );
  metrics.counter('baton_connections_total', 'What became of connections', (set) => {
    for (const [mode, outcomes] of Object.entries(source.status().outcomes))
      for (const [outcome, count] of Object.entries(outcomes)) set(count, { mode, outcome });
  });
  metrics.counter('baton_inspection_failures_total', 'Connections that came to no request', (set) => {
    for (const [reason, count] of Object.entries(source.status().inspectionFailures)) set(count, { reason });
  });
  metrics.counter('baton_accept_failures_total', 'accept(2) failed, by want of fds or memory', (set) =>
    set(source.total('accept_failures')),
  );
  metrics.counter(
    'baton_late_messages_total',
    'What deliveries said of connections that were settled before',
    (set) => set(source.total('late_messages')),
  );
  metrics.states('baton_mode', 'The mode in force is 1', 'mode', modes, (set) => set(source.status().mode));
  metrics.histogram(
    'baton_handoff_seconds',
    'From accept to taken, for connections handed over',
    seconds,
    () => [added(source.rows.map((row) => row.latency()))],
  );
}

function addQueues(metrics: Metrics, source: MetricsSource): void {
  metrics.gauge('baton_accept_queue', 'Connections waiting to be accepted', (set) => {
    for (const { worker, queued } of source.status().listeners) set(queued, { worker: String(worker) });
  });
  metrics.gauge('baton_accept_queue_limit', 'Connections that may wait', (set) => {
    for (const { worker, backlog } of source.status().listeners) set(backlog, { worker: String(worker) });
  });
  metrics.counter(
    'baton_accept_queue_drops_total',
    "Connections that this head's own listener turned away, its queue being full for one",
    (set) => {
      for (const { worker, drops } of source.status().listeners) set(drops, { worker: String(worker) });
    },
  );
  const ofHost = (key: keyof HeadStatus['kernel']) => (set: (value: number) => void) => {
    const count = source.status().kernel[key];
    if (count !== null) set(count);
  };
  metrics.counter(
    'baton_host_listen_overflows_total',
    'TcpExtListenOverflows of all programs of the host, since the head started',
    ofHost('listenOverflows'),
  );
  metrics.counter(
    'baton_host_listen_drops_total',
    'TcpExtListenDrops of all programs of the host, since the head started',
    ofHost('listenDrops'),
  );
}

function addDeliveries(metrics: Metrics, source: MetricsSource): void {
  metrics.states(
    'baton_delivery_state',
    'The state that a delivery is in is 1',
    'state',
    deliveryStates,
    (set) => {
      for (const { name, state } of source.status().deliveries) set(state, { delivery: name });
    },
  );
  for (const key of ['inUse', 'untaken', 'credits', 'weight'] as const) {
    const name = `baton_delivery_${key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`;
    metrics.gauge(name, `"${key}" of a delivery, as in baton status`, (set) => {
      for (const delivery of source.status().deliveries) set(delivery[key], { delivery: delivery.name });
    });
  }
  metrics.counter('baton_delivery_connections_total', 'What was given to a delivery', (set) => {
    for (const delivery of source.status().deliveries)
      for (const how of ['taken', 'returned', 'redirected', 'created'] as const)
        set(delivery[how], { delivery: delivery.name, how });
  });
}

/** None of them has a value on a head without deliveries on other hosts. */
function addMigrations(metrics: Metrics, source: MetricsSource): void {
  metrics.counter('baton_migrations_total', 'Ends of moving a connection to another host', (set) => {
    for (const [outcome, count] of Object.entries(source.migration()?.outcomes ?? {}))
      set(count, { outcome });
  });
  metrics.counter('baton_migrations_kept_total', 'Why connections did not move', (set) => {
    for (const [reason, count] of source.migration()?.reasons ?? []) set(count, { reason });
  });
  metrics.counter(
    'baton_migrations_recopied_total',
    'Connections that were copied again, because more of them had come meanwhile',
    (set) => set(source.migration()?.recopied ?? 0),
  );
  metrics.counter(
    'baton_give_backs_kept_total',
    'Connections that deliveries of other hosts gave back and that stayed with them',
    (set) => {
      for (const [reason, count] of source.migration()?.keptBack ?? []) set(count, { reason });
    },
  );
  metrics.gauge('baton_flows', 'Connections on other hosts whose packets this one sends on', (set) => {
    const migration = source.migration() && source.status().migration;
    if (migration) set(migration.flows.count);
  });
  const stage = (name: (typeof stages)[number]) => {
    const found = source.migration()?.stages[name];
    return found ? [found] : [];
  };
  metrics.histogram('baton_migration_seconds', 'From freeze to adopted', seconds, () => [
    added(stage('adopted')),
  ]);
  metrics.histogram('baton_migration_stage_seconds', 'The stages of moving a connection', seconds, () =>
    stages
      .filter((name) => name !== 'adopted')
      .map((name) => ({ ...added(stage(name)), labels: { stage: name } })),
  );
}

/** Parts of one histogram, by buckets of latencyBounds and with sums in microseconds, in seconds. */
function added(parts: readonly { readonly counts: Float64Array; readonly sum: number }[]) {
  const counts = new Float64Array(latencyBounds.length + 1);
  for (const part of parts) for (let at = 0; at < counts.length; at++) counts[at]! += part.counts[at]!;
  return { counts, sum: parts.reduce((total, part) => total + part.sum, 0) / 1e6 };
}
