/** Crowds that workers move to other hosts, through upgrades. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { getStatus, upgradeHead } from '../../../infra/admin-client.ts';
import { parseHostPort } from '../../../shared/units.ts';
import { failed, type Visit, visit, visitSteadily } from '../../support/load.ts';
import { asRoot } from '../../support/netns.ts';
import { type LabForTests, startTestLab, untilNothingIsLeft } from '../../support/netns-lab.ts';
import { until } from '../../support/until.ts';

const labTest = asRoot([], test.serial);
const WORKERS = 2;

let lab: LabForTests;
let admin: string;
let successor: number | undefined;
labTest('a lab of two delivery hosts and a delivery at the head', async (t) => {
  lab = await startTestLab({ local: 1, headArguments: ['--workers', `${WORKERS}`] });
  admin = join(lab.network.directory, 'head.admin.sock');
  t.is(lab.deliveries.length, 3);
});

test.after.always('the last head ends', () => {
  if (successor !== undefined) process.kill(successor, 'SIGKILL');
});

/** Nobody but these is given anything. */
async function only(...names: string[]): Promise<void> {
  for (const { name } of (await lab.head.status()).deliveries)
    await lab.head.drain(name, !names.includes(name));
}

/** Connections of the head's host that are established at its `--control`: links, and lanes. */
function atControl(): number {
  const port = parseHostPort(lab.control)!.port.toString(16).toUpperCase().padStart(4, '0');
  const lines = readFileSync(`/proc/${successor ?? lab.head.pid}/net/tcp`, 'latin1').split('\n');
  return lines.filter((line) => line.match(/^ *\d+: \w+:(\w+) \w+:\w+ 01 /)?.[1] === port).length;
}

/** Each of the lab's two deliveries of other hosts has one link, and a lane for each worker; and no other head has any. */
const untilLanes = (): Promise<number> =>
  until('a link and its lanes of each', atControl, (count) => count === 2 * (1 + WORKERS));

async function upgrade(): Promise<void> {
  ({ pid: successor } = await upgradeHead(admin));
  await until(
    'all are back',
    () => getStatus(admin).catch(() => undefined),
    (status) =>
      status?.pid === successor &&
      status?.deliveries.filter(({ state }) => state === 'up' || state === 'draining').length === 3,
  );
}

labTest('no visit fails while workers move them, and crowds of them, through four upgrades', async (t) => {
  t.timeout(180_000);
  await only('d1', 'd2');
  let over = false;
  const steady = (async () => {
    const visits: Visit[] = [];
    while (!over)
      visits.push(
        ...(await visitSteadily(lab.head.listen, '/whoami', { count: 20, perSecond: 60, timeoutMs: 30_000 })),
      );
    return visits;
  })();
  const crowds: Promise<Visit>[] = [];
  for (let round = 0; round < 4; round++) {
    await untilLanes();
    // More than may be under way at once: some wait for their turn when no more numbers are given.
    crowds.push(...Array.from({ length: 200 }, () => visit(lab.head.listen, '/whoami', 30_000)));
    await upgrade();
  }
  await untilLanes();
  over = true;
  const visits = [...(await steady), ...(await Promise.all(crowds))];
  t.deepEqual(failed(visits), []);
  t.true(visits.every(({ body }) => body.includes('"transport":"migrate"')));
  await untilNothingIsLeft(lab);
});
