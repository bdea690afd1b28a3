/**
 * The head that has the shared address is lost, and comes back: with a real keepalived, no connection that had moved is reset.
 * With more, and more often:
 *
 *     BATON_FAILOVER=1000,200,20 npx ava test/head/migrate/failover.proof.test.ts      (streams, visits a second, rounds)
 */
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { type HeadFault, headFaults, placesOf } from '../../../infra/experiments/failover/faults.ts';
import { observe, type Plan } from '../../../infra/experiments/failover/observe.ts';
import { type NetnsLab, startNetnsLab } from '../../../infra/lab/netns.ts';
import { asRoot } from '../../support/netns.ts';

const [streams = 100, rate = 50, rounds = 3] = (process.env.BATON_FAILOVER ?? '')
  .split(',')
  .map(Number)
  .filter(Boolean);

/** Three adverts, the skew that RFC 5798 adds (section 6.1: for a priority of 100 it is 0.6 of one), and the timer's own. */
const NOBODY_MS = 3 * 100 + 61 + 40;
/** What a client sends meanwhile its kernel repeats after 0.2 s, 0.6 s (RFC 6298, tcp_rto_min): the last within that time. */
const REPEATED_MS = 400;
/** What a machine takes on which everything is at once; others' work, too, where it is not alone. */
const MACHINE_MS = Number(process.env.BATON_FAILOVER_SLACK_MS ?? 600);

let lab: NetnsLab | undefined;
test.after.always('the lab is gone', async () => await lab?.stop());

const labTest = asRoot(['keepalived'], test.serial);

labTest('two heads', async (t) => {
  lab = await startNetnsLab({
    mode: 'handoff',
    deliveries: 2,
    heads: 2,
    deliveryArguments: ['--credits', '10000'],
  });
  t.is(lab.heads.length, 2);
});

const plan = (on: NetnsLab): Plan => ({
  address: on.head.listen,
  streams,
  // A packet of somebody's each millisecond, however many there are.
  everyMs: Math.max(100, streams),
  rate,
  beforeMs: 1000,
  awayMs: 4000,
  afterMs: 4000,
  visitTimeoutMs: 10_000,
});

const LOOK_EVERY_MS = 20;

/** Who has had the address since `from`, in the order in which they had it, and when another one had it first. */
async function watchAddress(places: ReturnType<typeof placesOf>, over: AbortSignal) {
  const seen: { index: number; at: number }[] = [];
  while (!over.aborted) {
    const has = await Promise.all(places.map(({ host }) => host.hasAddress()));
    const index = has.indexOf(true);
    if (index >= 0 && seen.at(-1)?.index !== index) seen.push({ index, at: performance.now() });
    await delay(LOOK_EVERY_MS);
  }
  return seen;
}

async function run(fault: HeadFault, on = lab!) {
  const places = placesOf(on);
  const over = new AbortController();
  const watching = watchAddress(places, over.signal);
  let brokenAt = Number.POSITIVE_INFINITY;
  const watched: HeadFault = {
    ...fault,
    begin: (place) => {
      brokenAt = performance.now();
      return fault.begin(place);
    },
  };
  const seen = await observe(on, places, watched, plan(on), new AbortController().signal).finally(() =>
    over.abort(),
  );
  const moves = (await watching).filter(({ at }) => at > brokenAt).map(({ at }) => at - brokenAt);
  const { streams: found, visits, backMs, readyMs } = seen!;
  const said = `${fault.name}: ${found.open} streams, ${found.lost.length} lost, longest stall ${found.longestMs.toFixed(0)} ms; ${visits.failed} of ${visits.visits} visits failed (${JSON.stringify(visits.failures)}), longest ${(visits.latency.max / 1000).toFixed(0)} ms; ready ${(readyMs - backMs).toFixed(0)} ms after its return; the address moved after ${moves.map((ms) => `${ms.toFixed(0)} ms`).join(', ') || 'no time: it stayed'}`;
  return { found, visits, moves, said };
}

labTest(`a host that is lost and comes back, ${rounds} times`, async (t) => {
  for (let round = 0; round < rounds; round++) {
    const { found, said } = await run(headFaults.find(({ name }) => name === 'host lost')!);
    t.log(said);
    t.is(found.open, streams, said);
    t.is(found.lost.length, 0, `${said}; ${JSON.stringify(found.lost.slice(0, 3))}`);
    t.is(found.unanswered, 0, said);
    t.true(found.longestMs < NOBODY_MS + REPEATED_MS + MACHINE_MS, said);
  }
});

/** For one second a head that does not answer is asked; then it has lost the address, as one that is not heard. */
const FROZEN_MS = 1000 + NOBODY_MS;
/** Until the next command begins to ask, which takes as long as one of Node's starts here. */
const START_MS = 1000;

for (const fault of headFaults.filter(({ name }) => name !== 'host lost')) {
  labTest(`${fault.name}, and its return`, async (t) => {
    const { found, moves, said } = await run(fault);
    t.log(said);
    t.is(found.open, streams, said);
    t.is(found.lost.length, 0, `${said}; ${JSON.stringify(found.lost.slice(0, 3))}`);
    t.is(found.unanswered, 0, said);
    t.true(moves.length > 0 && moves[0]! < FROZEN_MS + START_MS + 2 * MACHINE_MS, said);
  });
}

labTest('head upgraded: the address stays', async (t) => {
  const upgraded: HeadFault = {
    name: 'head upgraded',
    marks: ['upgrade', ''],
    begin: async ({ head }) => void (await head.upgrade()),
    end: async () => {},
  };
  const { found, visits, moves, said } = await run(upgraded);
  t.log(said);
  t.deepEqual(moves, [], said);
  t.is(found.open, streams, said);
  t.is(found.lost.length, 0, said);
  t.is(visits.failed, 0, said);
});

labTest('a head that is killed and has a keeper: the address stays, and nobody is refused', async (t) => {
  await lab!.stop();
  lab = await startNetnsLab({ mode: 'handoff', deliveries: 2, heads: 2, keeper: true });
  const killed: HeadFault = {
    name: 'head killed, kept',
    marks: ['killed', ''],
    async begin({ head }) {
      const { pid } = await head.status();
      process.kill(pid, 'SIGKILL');
    },
    end: async () => {},
  };
  const { found, visits, moves, said } = await run(killed, lab);
  t.log(said);
  t.is(found.open, streams, said);
  t.is(found.lost.length, 0, said);
  t.is(visits.failures.refused ?? 0, 0, said);
  // Where its next one is not ready within the second, the other one has the address meanwhile.
  t.true(moves.length <= 1, said);
});
