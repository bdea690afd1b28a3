/** What must be true of any lab with deliveries on hosts of their own, checked through the interface that experiments use. */

import { BatonError } from '../../../shared/errors.ts';
import type { HeadStatus, Mode } from '../../../shared/status.ts';
import type { Host, Lab } from '../../lab/lab.ts';
import { startVagrantLab } from '../../lab/vagrant.ts';
import { visitFrom } from '../../lab/visit-from.ts';
import { fitSlope } from '../../statistics/slope.ts';
import type { VisitResult } from '../../visits/result.ts';
import type { Journal } from './journal.ts';

/** An emulated delivery's first adoptions take longer than the default; what is late goes elsewhere, as it should. */
export const patience = ['--adopt-timeout', '20s', '--stall-timeout', '30s'];
/** An answer of many packets. */
const LARGE_BYTES = 2_000_000;

export async function checkLab(journal: Journal): Promise<void> {
  const { step } = journal;
  const lab = await step('a lab with two remote deliveries', () =>
    startVagrantLab({ mode: 'handoff', deliveries: 2, headArguments: patience }),
  );
  if (!lab) return;
  try {
    await step('every mode answers, and takes the round trips that it should', () =>
      checkModes(lab, journal),
    );
    await step('answers of a migrated connection bypass the head', () => checkBypass(lab, journal));
    await step('the mode is switched while visits go on', () => checkSwitch(lab, journal));
    await step('a delivery is killed', () => checkKill(lab, journal));
    await step('the head is killed', () => checkHead(lab, journal));
  } finally {
    await step('the lab ends', () => lab.stop());
  }
}

export const visit = async (
  lab: Lab,
  path: string,
  rate: number,
  seconds: number,
  warmUp = 4,
): Promise<VisitResult> => {
  const options = { rate, durationMs: seconds * 1000, warmUpMs: warmUp * 1000, timeoutMs: 20_000 };
  return (await visitFrom(lab.client, { urls: [`http://${lab.head.listen}${path}`], ...options }))!;
};

/**
 * Asks the head until it says so; the way to it is the pause. Throws when it does not in time. A busy emulated machine may
 * also not answer in time for once.
 */
async function until(lab: Lab, holds: (status: HeadStatus) => boolean): Promise<void> {
  const deadline = performance.now() + 120_000;
  for (;;) {
    const status = await lab.head.status().catch((error: Error) => error);
    if (!(status instanceof Error) && holds(status)) return;
    if (performance.now() < deadline) continue;
    const said = status instanceof Error ? status.message : JSON.stringify(status);
    throw new BatonError('LAB_FAILED', { problem: `the head still says: ${said}` });
  }
}

export const told = ({ succeeded, failed, redirects, failures }: VisitResult) =>
  `${succeeded} succeeded, ${failed} failed, redirects ${JSON.stringify(redirects)} ${JSON.stringify(failures)}`;

/** One way, so that a round trip is twice as long. */
const DELAYS_MS = [20, 60, 100];
const timed = ['handoff', 'redirect'] as const;
/** A redirect takes four round trips and a handoff two, so that its visits grow twice as fast with the round trip. */
const GROWTH = { least: 1.8, most: 2.2 };

/**
 * By the slopes of medians over round trips: what the machines themselves take, emulated ones above all, is the same at each
 * and is not in them.
 */
async function checkModes(lab: Lab, { check }: Journal): Promise<void> {
  const medians: Record<(typeof timed)[number], [number, number][]> = { handoff: [], redirect: [] };
  for (const delayMs of DELAYS_MS) {
    await lab.client.setLink({ delayMs });
    for (const mode of timed) {
      const result = await visitBy(lab, mode, check, `${mode}, ${delayMs} ms each way`);
      medians[mode].push([2 * delayMs, result.latency.p50 / 1000]);
    }
  }
  await visitBy(lab, 'created', check, 'created');
  const growth = timed.map((mode) => fitSlope(medians[mode])!.slope);
  for (const [at, mode] of timed.entries())
    console.log(`          ${mode}: ${growth[at]!.toFixed(2)} ms more for each of a round trip`);
  for (const [at, delayMs] of DELAYS_MS.entries()) {
    const times = medians.redirect[at]![1] / medians.handoff[at]![1];
    console.log(
      `          with ${delayMs} ms each way a redirect takes ${times.toFixed(2)} times as long as a handoff`,
    );
  }
  const [handedOver, redirected] = growth as [number, number];
  const ratio = redirected / handedOver;
  check(
    `with the round trip a redirect's visit grows twice as fast as a handoff's (${GROWTH.least} to ${GROWTH.most})`,
    ratio >= GROWTH.least && ratio <= GROWTH.most,
    ratio.toFixed(2),
  );
  const { migration, outcomes } = await lab.head.status();
  check(
    'every connection that was handed over moved to another host',
    migration?.outcomes.adopted === outcomes.handoff?.taken && outcomes.handoff?.redirected === 0,
    `${JSON.stringify(migration?.outcomes)}, handoff ${JSON.stringify(outcomes.handoff)}`,
  );
}

/** Visits one at a time; the first ones, until the machines' caches and compilers know them, do not count. */
async function visitBy(lab: Lab, mode: Mode, check: Journal['check'], name: string): Promise<VisitResult> {
  await lab.head.setMode(mode);
  const result = await visit(lab, '/bytes/1000', 1, 25, 15);
  check(`${name}: all visits succeed`, result.failed === 0 && result.succeeded > 0, told(result));
  const { min, p50, p90 } = result.latency;
  const [quickest, median, slow] = [min, p50, p90].map((micros) => (micros / 1000).toFixed(1));
  console.log(`          quickest ${quickest} ms, median ${median} ms, p90 ${slow} ms`);
  return result;
}

async function checkBypass(lab: Lab, { check }: Journal): Promise<void> {
  await lab.head.setMode('handoff');
  const hosts = [lab.head.host, ...lab.deliveries.map(({ host }) => host)];
  const before = await Promise.all(hosts.map(sentBytes));
  const result = await visit(lab, `/bytes/${LARGE_BYTES}`, 1, 4);
  const after = await Promise.all(hosts.map(sentBytes));
  const [head, ...deliveries] = after.map((bytes, index) => bytes - before[index]!);
  const answers = result.succeeded * LARGE_BYTES;
  const sent = deliveries.reduce((sum, bytes) => sum + bytes, 0);
  check('large answers arrive', result.failed === 0 && result.succeeded > 0, told(result));
  check('the deliveries sent all of them', sent >= answers, `${sent} bytes for ${answers} of answers`);
  check('the head sent less than a tenth of that', head! < answers / 10, `${head} bytes`);
}

/** By its card to the lab's network, since it started. */
async function sentBytes(host: Host): Promise<number> {
  const script = '. /etc/baton/host.env; cat "/sys/class/net/$BATON_INTERFACE/statistics/tx_bytes"';
  return Number(await host.run(['sh', '-c', script]));
}

async function checkSwitch(lab: Lab, { check }: Journal): Promise<void> {
  await lab.head.setMode('handoff');
  const before = (await lab.head.status()).accepted;
  const visits = visit(lab, '/bytes/1000', 3, 16);
  // In the middle of it, as the head's own count tells.
  await until(lab, ({ accepted }) => accepted >= before + 20);
  await lab.head.setMode('redirect');
  const result = await visits;
  const redirected = result.redirects[307] ?? 0;
  const both = redirected > 0 && redirected < result.succeeded;
  check('some were handed over, the rest redirected, none failed', both && result.failed === 0, told(result));
}

async function checkKill(lab: Lab, { check }: Journal): Promise<void> {
  const [d1, d2] = lab.deliveries as [Lab['deliveries'][number], Lab['deliveries'][number]];
  await lab.head.setMode('handoff');
  await d1.kill();
  const takenOf = async (name: string) =>
    (await lab.head.status()).deliveries.find((delivery) => delivery.name === name);
  check('the head knows', (await takenOf(d1.name))?.state === 'down');
  const before = (await takenOf(d2.name))!.taken;
  const result = await visit(lab, '/bytes/1000', 3, 5);
  const served = (await takenOf(d2.name))!.taken - before;
  check(
    'the other one serves everybody',
    result.failed === 0 && served >= result.succeeded,
    `${told(result)}; ${served}`,
  );
  await d1.restart();
  check('started again, it is welcomed', (await takenOf(d1.name))?.state === 'up');
}

async function checkHead(lab: Lab, { check }: Journal): Promise<void> {
  await lab.head.restart('kill');
  // Deliveries of other hosts come back by themselves.
  while (
    (await lab.head.status()).deliveries.filter(({ state }) => state === 'up').length < lab.deliveries.length
  );
  const result = await visit(lab, '/bytes/1000', 3, 5);
  check(
    'after its restart it hands over as before',
    result.failed === 0 && result.succeeded > 0,
    told(result),
  );
}
