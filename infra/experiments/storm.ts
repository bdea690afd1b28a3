/**
 * Thousands of clients at the same moment, against accept queues of several sizes. The kernel completes handshakes by
 * itself and keeps the connections in the listener's queue until the head accepts them; what finds the queue full is
 * dropped without a word, and its client asks again after a second, and again. A head at work empties its queues
 * faster than clients can be started; so each crowd also meets a head that is stopped for a moment, as one does that
 * gets no processor, and then the queues are all there is.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Lab } from '../lab/lab.ts';
import { visitFrom } from '../lab/visit-from.ts';
import { ownShortages } from '../visits/own-limits.ts';
import type { Experiment, ExperimentContext, Findings } from './kit/experiment.ts';
import { isHandoff, waysOf } from './kit/ways.ts';
import {
  type Crowd,
  connectChart,
  crowdTable,
  failuresOf,
  type Listeners,
  nameOf,
  type Outcome,
  waited,
} from './storm/figures.ts';

/** Longer than it takes to start the clients. */
const stillMs = (clients: number) => 1000 + clients / 10;
/** Long enough for two cores to serve the largest crowd; Linux gives up asking after more than two minutes. */
const TIMEOUT_MS = 60_000;
/** More would need more files than a process may have open on many machines. */
const CLIENTS_PER_GENERATOR = 9000;
/** A generator that begins later than this after the agreed moment has come too late. */
const LATE_MS = 200;
const ATTEMPTS = 3;
/** A new lab has all its ports again; a port rests for a minute after its connection (TIME_WAIT). */
const PORTS_PER_LAB = 26_000;

const full = {
  listeners: [
    { workers: 1, backlog: 128 },
    { workers: 1, backlog: 4096 },
    { workers: 2, backlog: 4096 },
    { workers: 4, backlog: 4096 },
  ],
  still: [1000, 5000, 20_000],
  atWork: [5000],
};
const quick = {
  listeners: [
    { workers: 1, backlog: 128 },
    { workers: 1, backlog: 4096 },
  ],
  still: [3000],
  atWork: [],
};

export const storm: Experiment = {
  name: 'storm',
  title: 'up to 20,000 clients at once, by backlog and workers: who gets in, who waits, who is lost',
  question:
    'listen() keeps at most 4096 connections waiting: does that drop clients who come in a crowd, and what helps?',
  seconds: { full: 180, quick: 25 },
  run,
};

async function run(context: ExperimentContext): Promise<Findings> {
  const { listeners, still, atWork } = context.quick ? quick : full;
  const crowds = listeners.flatMap((each) => [
    ...still.map((clients): Crowd => ({ ...each, clients, headIs: 'standing still' })),
    ...atWork.map((clients): Crowd => ({ ...each, clients, headIs: 'at work' })),
  ]);
  context.progress.expect(crowds.reduce((sum, crowd) => sum + crowdMs(crowd), 0));
  const outcomes: Outcome[] = [];
  const warnings: string[] = [];
  let current: { lab: Lab; of: Listeners; ports: number } | undefined;
  for (const crowd of crowds) {
    if (context.signal.aborted) break;
    const label = `${crowd.clients} clients, ${nameOf(crowd)}, head ${crowd.headIs}`;
    const outcome = await context.progress
      .during(label, crowdMs(crowd), async () => {
        let found: Outcome | undefined;
        // A crowd that came late met a head that was at work again: it is sent once more.
        for (let attempt = 0; attempt < ATTEMPTS && !context.signal.aborted; attempt++) {
          const same = current?.of.workers === crowd.workers && current.of.backlog === crowd.backlog;
          if (!current || !same || current.ports + crowd.clients > PORTS_PER_LAB) {
            await current?.lab.stop();
            current = { lab: await startLab(context, crowd), of: crowd, ports: 0 };
          }
          current.ports += crowd.clients;
          found = await send(current.lab, crowd, context.signal);
          if (found === undefined || found.lateMs <= LATE_MS) break;
        }
        return found;
      })
      .catch((error: unknown) => {
        // One crowd that could not be sent takes nothing from what the others have shown.
        if (outcomes.length === 0) throw error;
        warnings.push(`${label}: ${error instanceof Error ? error.message : error}`);
        current = undefined;
        return undefined;
      });
    if (outcome) outcomes.push(outcome);
  }
  const largest = Math.max(...still);
  return {
    answer: answer(outcomes),
    parameters: {
      clients: [...new Set(crowds.map(({ clients }) => clients))].join(', '),
      'accept queues': listeners.map(nameOf).join(', '),
      'the head is stopped for': `${still.map((clients) => `${stillMs(clients) / 1000} s`).join(', ')} from just before the first client`,
      'time limit of a client': `${TIMEOUT_MS / 1000} s`,
      mode: 'handoff',
    },
    charts: [5000, largest]
      .filter((clients, index, all) => still.includes(clients) && all.indexOf(clients) === index)
      .map((clients) => connectChart(outcomes, clients)),
    tables: [crowdTable(outcomes)],
    notes: [
      'A client’s connect time runs from its own SYN. Clients of one crowd are started one after the other, as fast as the generator can; the column “begun within” says how long that took.',
      'An accept queue of backlog B takes B + 1 connections. What comes when it is full is dropped: ListenOverflows counts each drop, also of repeated SYNs, so one client may be counted several times.',
      'Linux repeats a SYN after 1 s, then 2, 3 and 4 s later (net.ipv4.tcp_syn_linear_timeouts), older kernels after 1, 3, 7 and 15 s. That is the step in the connect times.',
      'The backlog is capped by net.core.somaxconn, 4096 by default. Each worker of the head has a listener of its own, so W workers hold W times as many.',
    ],
    warnings: [
      ...warnings,
      ...outcomes.flatMap((outcome) =>
        ownShortages(failuresOf(outcome)).map(
          (text) => `${outcome.clients} clients, ${nameOf(outcome)}: ${text}`,
        ),
      ),
      ...outcomes
        .filter((outcome) => outcome.lateMs > LATE_MS)
        .map(
          (outcome) =>
            `${outcome.clients} clients, ${nameOf(outcome)}: a generator began ${outcome.lateMs} ms late, so the head had was stopped for that long before`,
        ),
    ],
  };
}

const crowdMs = ({ clients, headIs }: Crowd) =>
  3500 + clients / 5 + (headIs === 'standing still' ? stillMs(clients) : 0);

/** A stall of the deliveries is not what is asked about. */
const startLab = (context: ExperimentContext, { workers, backlog }: Listeners) =>
  context.startLab({
    mode: 'handoff',
    deliveries: 1,
    local: 2,
    headArguments: ['--workers', String(workers), '--backlog', String(backlog), '--stall-timeout', '60s'],
  });

async function send(lab: Lab, crowd: Crowd, signal: AbortSignal): Promise<Outcome | undefined> {
  await waysOf(lab)
    .find(({ name }) => isHandoff(name))
    ?.choose();
  const before = await lab.head.status();
  const generators = Math.ceil(crowd.clients / CLIENTS_PER_GENERATOR);
  const tell = (name: string) => lab.head.host.run(['kill', name, String(lab.head.pid)]);
  const still = crowd.headIs === 'standing still';
  const startAt = Date.now() + GENERATOR_START_MS;
  const visiting = Promise.all(
    Array.from({ length: generators }, (_, index) =>
      visitFrom(lab.client, {
        urls: [`http://${lab.head.listen}/bytes/100`],
        arrivals: 'burst',
        // Shares of whole clients.
        rate: Math.floor((crowd.clients + index) / generators),
        durationMs: 1000,
        startAt,
        timeoutMs: TIMEOUT_MS,
        maxInFlight: CLIENTS_PER_GENERATOR,
        signal,
      }),
    ),
  );
  if (still) {
    await delay(startAt - 50 - Date.now());
    await tell('-STOP');
    await delay(startAt + stillMs(crowd.clients) - Date.now());
    await tell('-CONT');
  }
  const visits = (await visiting).filter((result) => result !== undefined);
  if (visits.length < generators || signal.aborted) return undefined;
  const late = Math.max(...visits.map((result) => Date.parse(result.startedAt) - startAt));
  const after = await lab.head.status();
  const [now, then] = [after.kernel.listenOverflows, before.kernel.listenOverflows];
  return {
    ...crowd,
    visits,
    lateMs: Math.max(0, late),
    overflows: now === null || then === null ? null : now - then,
  };
}

/** Until a generator can begin: its process starts. */
const GENERATOR_START_MS = 2000;

function answer(outcomes: readonly Outcome[]): string {
  const atWork = outcomes.filter(({ headIs }) => headIs === 'at work');
  const still = outcomes.filter(({ headIs }) => headIs === 'standing still');
  const lost = outcomes.reduce(
    (sum, { visits }) => sum + visits.reduce((all, { failed }) => all + failed, 0),
    0,
  );
  const largest = Math.max(...still.map(({ clients }) => clients));
  const queues = still
    .filter(({ clients }) => clients === largest)
    .map((outcome) => `${waited(outcome)} with ${nameOf(outcome)}`);
  if (queues.length === 0) return 'Too little was measured to answer.';
  const said = [
    `Of ${largest} clients who met a head that was stopped for ${stillMs(largest) / 1000} s, those who found the accept queues (workers × backlog) full were not refused but asked again a second later: ${queues.join(', ')}`,
  ];
  if (atWork.length > 0) {
    const each = atWork.map((outcome) => `${waited(outcome)} with ${nameOf(outcome)}`);
    said.push(`A head at work made ${atWork[0]!.clients} clients wait so: ${each.join(', ')}`);
  }
  said.push(
    lost === 0
      ? 'Every client was answered in the end'
      : `${lost} clients in all had no answer within ${TIMEOUT_MS / 1000} s`,
  );
  return `${said.join('. ')}.`;
}
