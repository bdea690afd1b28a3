/** The head's metrics as Prometheus text. The board is the truth; a scrape reads it, nothing is counted twice. */
import { Counter, collectDefaultMetrics, Gauge, type Metric, Registry } from 'prom-client';
import type { HeadStatus } from '../shared/status.ts';
import { latencyBounds, type Row, type Total } from './board.ts';
import { type Measures, stages } from './migrate/measures.ts';

export interface MetricsSource {
  readonly rows: readonly Row[];
  status(): HeadStatus;
  total(name: Total): number;
  /** Undefined while there are no deliveries on other hosts. */
  migration(): Measures | undefined;
}

/** A registry whose every value is read when it is asked for. */
export function createMetrics(source: MetricsSource): Registry {
  const registry = new Registry();
  // Its event-loop monitor would otherwise wake the process a hundred times a second.
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 1000 });

  /** `read` calls `set` with each value and its labels. */
  function counter(
    name: string,
    help: string,
    labelNames: string[],
    read: (set: (value: number, ...labels: string[]) => void) => void,
    Kind: typeof Counter | typeof Gauge = Counter,
  ): void {
    new Kind({
      name,
      help,
      labelNames,
      registers: [registry],
      collect() {
        this.reset();
        read((value, ...labels) =>
          this.inc(Object.fromEntries(labelNames.map((label, i) => [label, labels[i]!])), value),
        );
      },
    });
  }
  const gauge = (name: string, help: string, labels: string[], read: Parameters<typeof counter>[3]): void =>
    counter(name, help, labels, read, Gauge);

  counter('baton_connections_accepted_total', 'Connections accepted', [], (set) =>
    set(source.total('accepted')),
  );
  gauge('baton_connections_open', 'Connections that the head holds now', [], (set) =>
    set(source.total('open')),
  );
  counter('baton_connections_total', 'What became of connections', ['mode', 'outcome'], (set) => {
    for (const [mode, outcomes] of Object.entries(source.status().outcomes)) {
      for (const [outcome, count] of Object.entries(outcomes)) set(count, mode, outcome);
    }
  });
  counter('baton_inspection_failures_total', 'Connections that came to no request', ['reason'], (set) => {
    for (const [reason, count] of Object.entries(source.status().inspectionFailures)) set(count, reason);
  });
  counter('baton_accept_failures_total', 'accept(2) failed, by want of fds or memory', [], (set) =>
    set(source.total('accept_failures')),
  );
  counter(
    'baton_late_messages_total',
    'What deliveries said of connections that were settled before',
    [],
    (set) => set(source.total('late_messages')),
  );
  gauge('baton_mode', 'The mode in force is 1', ['mode'], (set) => set(1, source.status().mode));
  gauge('baton_accept_queue', 'Connections waiting to be accepted', ['worker'], (set) => {
    for (const { worker, queued } of source.status().listeners) set(queued, String(worker));
  });
  gauge('baton_accept_queue_limit', 'Connections that may wait', ['worker'], (set) => {
    for (const { worker, backlog } of source.status().listeners) set(backlog, String(worker));
  });
  counter(
    'baton_listen_overflows_total',
    'TcpExtListenOverflows of the host since the head started',
    [],
    (set) => {
      const { listenOverflows } = source.status().kernel;
      if (listenOverflows !== null) set(listenOverflows);
    },
  );
  counter('baton_listen_drops_total', 'TcpExtListenDrops of the host since the head started', [], (set) => {
    const { listenDrops } = source.status().kernel;
    if (listenDrops !== null) set(listenDrops);
  });
  gauge('baton_delivery_state', 'The state that a delivery is in is 1', ['delivery', 'state'], (set) => {
    for (const { name, state } of source.status().deliveries) set(1, name, state);
  });
  for (const key of ['inUse', 'untaken', 'credits', 'weight'] as const) {
    const name = `baton_delivery_${key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`;
    gauge(name, `"${key}" of a delivery, as in baton status`, ['delivery'], (set) => {
      for (const delivery of source.status().deliveries) set(delivery[key], delivery.name);
    });
  }
  counter('baton_delivery_connections_total', 'What was given to a delivery', ['delivery', 'how'], (set) => {
    for (const delivery of source.status().deliveries) {
      for (const how of ['taken', 'returned', 'redirected', 'created'] as const)
        set(delivery[how], delivery.name, how);
    }
  });
  registry.registerMetric(
    histogram('baton_handoff_seconds', 'From accept to taken, for connections handed over', () => [
      { labels: {}, parts: source.rows.map((row) => row.latency()) },
    ]),
  );
  addMigrations(source, registry, counter, gauge);
  return registry;
}

type Declare = (
  name: string,
  help: string,
  labels: string[],
  read: (set: (value: number, ...labels: string[]) => void) => void,
) => void;

/** None of them has a value on a head without deliveries on other hosts. */
function addMigrations(source: MetricsSource, registry: Registry, counter: Declare, gauge: Declare): void {
  counter('baton_migrations_total', 'Ends of moving a connection to another host', ['outcome'], (set) => {
    for (const [outcome, count] of Object.entries(source.migration()?.outcomes ?? {})) set(count, outcome);
  });
  counter('baton_migrations_kept_total', 'Why connections did not move', ['reason'], (set) => {
    for (const [reason, count] of source.migration()?.reasons ?? []) set(count, reason);
  });
  counter('baton_migrations_recopied_total', 'Copies that packets of the client have outdated', [], (set) => {
    const migration = source.migration();
    if (migration) set(migration.recopied);
  });
  gauge('baton_flows', 'Connections on other hosts whose packets this one sends on', [], (set) => {
    const migration = source.migration() && source.status().migration;
    if (migration) set(migration.flows.count);
  });
  const stage = (name: (typeof stages)[number]) => {
    const found = source.migration()?.stages[name];
    return found ? [found] : [];
  };
  registry.registerMetric(
    histogram('baton_migration_seconds', 'From freeze to adopted', () => [
      { labels: {}, parts: stage('adopted') },
    ]),
  );
  registry.registerMetric(
    histogram('baton_migration_stage_seconds', 'The stages of moving a connection', () =>
      stages
        .filter((name) => name !== 'adopted')
        .map((name) => ({ labels: { stage: name }, parts: stage(name) })),
    ),
  );
}

interface Series {
  readonly labels: Record<string, string>;
  /** Counts by bucket of latencyBounds, and sums in microseconds, to be added up. */
  readonly parts: readonly { readonly counts: Float64Array; readonly sum: number }[];
}

/** prom-client's own histogram cannot be filled from counts that are kept elsewhere. */
function histogram(name: string, help: string, read: () => readonly Series[]): Metric {
  const metric = {
    name,
    help,
    type: 'histogram',
    aggregator: 'sum',
    get: async () => {
      const values: { labels: Record<string, string | number>; value: number; metricName: string }[] = [];
      for (const { labels, parts } of read()) {
        let cumulative = 0;
        for (let bucket = 0; bucket <= latencyBounds.length; bucket++) {
          cumulative += parts.reduce((sum, part) => sum + part.counts[bucket]!, 0);
          const bound = latencyBounds[bucket];
          const le = bound === undefined ? '+Inf' : bound / 1e6;
          values.push({ labels: { le, ...labels }, value: cumulative, metricName: `${name}_bucket` });
        }
        const sum = parts.reduce((total, part) => total + part.sum, 0);
        values.push({ labels, value: sum / 1e6, metricName: `${name}_sum` });
        values.push({ labels, value: cumulative, metricName: `${name}_count` });
      }
      return { name, help, type: 'histogram', values, aggregator: 'sum' };
    },
    reset() {},
  };
  // prom-client serialises whatever answers get(); its type asks for one of its own classes.
  return metric as unknown as Metric;
}
