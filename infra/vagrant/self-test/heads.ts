/** What must be true of two heads on hosts of their own: nobody who has moved notices which of them has the address. */
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { BatonError } from '../../../shared/errors.ts';
import { askReady } from '../../cli/ready.ts';
import { type Orders, streamsSchema } from '../../experiments/failover/result.ts';
import type { LabHead } from '../../lab/lab.ts';
import type { VagrantHost } from '../../lab/vagrant/host.ts';
import { startVagrantLab, type VagrantLab } from '../../lab/vagrant.ts';
import { patience, told, visit } from './checks.ts';
import type { Journal } from './journal.ts';

interface Place {
  readonly head: LabHead;
  readonly host: VagrantHost;
}

interface Fault {
  readonly name: string;
  begin(place: Place): Promise<unknown>;
  end(place: Place): Promise<unknown>;
}

/** ssh has a card of its own. */
const setCard = ({ host }: Place, state: 'up' | 'down') =>
  host.run(['ip', 'link', 'set', 'dev', host.interface, state]);

const faults: readonly Fault[] = [
  { name: 'is killed', begin: ({ head }) => head.end('kill'), end: ({ head }) => head.start() },
  { name: 'loses its cable', begin: (place) => setCard(place, 'down'), end: (place) => setCard(place, 'up') },
];

export async function checkHeads(journal: Journal): Promise<void> {
  const { step } = journal;
  const lab = await step('a lab with two heads', () =>
    startVagrantLab({ mode: 'handoff', deliveries: 2, heads: 2, headArguments: patience }),
  );
  if (!lab) return;
  try {
    for (const fault of faults)
      await step(`the head that has the address ${fault.name}, and comes back`, () =>
        checkFailover(lab, fault, journal),
      );
  } finally {
    await step('the lab ends', () => lab.stop());
  }
}

const program = fileURLToPath(new URL('../../experiments/failover/client-main.ts', import.meta.url));
const STREAMS = 4;
/** The client's process starts, and all streams are open; and what is then seen of them, on an emulated machine. */
const START_MS = 30_000;
const LASTS_MS = 240_000;
const LOOK_EVERY_MS = 500;
const WITHIN_MS = 180_000;

async function checkFailover(lab: VagrantLab, fault: Fault, { check }: Journal): Promise<void> {
  const { head: first, spare: second } = lab.hosts;
  const places = [first, second!].map((host, index) => ({ host, head: lab.heads[index]! }));
  const isWhole = async ({ head }: Place) => (await askReady(head.admin)).ready;
  await until('both heads are ready', async () => (await Promise.all(places.map(isWhole))).every(Boolean));
  const has = await Promise.all(places.map(({ host }) => host.hasAddress()));
  const active = places[has.indexOf(true)]!;
  const other = places[has.indexOf(false)]!;

  const startAt = Date.now() + START_MS;
  const orders: Orders = {
    host: lab.head.listen,
    streams: STREAMS,
    everyMs: 1000,
    startAt,
    durationMs: LASTS_MS,
  };
  const streaming = lab.client.run([process.execPath, program, JSON.stringify(orders)]);
  const flowsOf = async ({ head }: Place) => (await head.status()).migration?.flows.count ?? 0;
  await until('both heads know all streams', async () =>
    (await Promise.all(places.map(flowsOf))).every((count) => count >= STREAMS),
  );
  await delay(Math.max(0, startAt - Date.now()));

  const began = Date.now();
  await fault.begin(active);
  await until(`${other.host.name} has the address`, () => other.host.hasAddress());
  console.log(`          ${other.host.name} had it ${((Date.now() - began) / 1000).toFixed(1)} s later`);
  const visits = await visit(lab, '/bytes/1000', 1, 10, 2);
  check('new visitors come through the other one', visits.failed === 0 && visits.succeeded > 0, told(visits));
  await fault.end(active);
  await until(`${active.host.name} is ready again`, () => isWhole(active));
  // Adverts have been heard by then.
  await delay(5000);
  const now = await Promise.all(places.map(({ host }) => host.hasAddress()));
  check('who comes back takes nothing away', now.join() === has.map((one) => !one).join(), now.join());
  const isLong = Date.now() < startAt + LASTS_MS;
  const { open, lost, messages, longestMs } = streamsSchema.parse(JSON.parse(await streaming));
  check(
    'connections that had moved live on, and not one was reset',
    isLong && open === STREAMS && lost.length === 0,
    `${open} open, ${messages} messages, the longest took ${(longestMs / 1000).toFixed(1)} s, lost ${JSON.stringify(lost)}${isLong ? '' : '; they ended too early'}`,
  );
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + WITHIN_MS;
  for (;;) {
    if (await holds().catch(() => false)) return;
    if (performance.now() > deadline)
      throw new BatonError('LAB_FAILED', { problem: `never came about: ${what}` });
    await delay(LOOK_EVERY_MS);
  }
}
