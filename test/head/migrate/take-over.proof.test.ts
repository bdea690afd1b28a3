/** A head that is taken over while connections move to other hosts, and after they have. */
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { upgradeHead } from '../../../infra/admin-client.ts';
import { failed, type Visit, visitSteadily } from '../../support/load.ts';
import { asRoot } from '../../support/netns.ts';
import { type LabForTests, startTestLab, untilNothingIsLeft } from '../../support/netns-lab.ts';
import { open } from '../../support/raw-client.ts';

const labTest = asRoot([], test.serial);

let lab: LabForTests;
let successor: number | undefined;
labTest('a lab of two delivery hosts', async (t) => {
  lab = await startTestLab({});
  t.is(lab.deliveries.length, 2);
});

test.after.always('the last head ends', () => {
  if (successor !== undefined) process.kill(successor, 'SIGKILL');
});

/** The filter at the head's card, and the program that it runs. */
async function filter(): Promise<{ handle: string; program: number }> {
  const tc = ['tc', '-j', 'filter', 'show', 'dev', 'eth0', 'ingress'];
  const listed = JSON.parse(await lab.network.host('head').run(tc)) as {
    options?: { handle?: string; prog?: { id: number } };
  }[];
  const { handle, prog } = listed.find(({ options }) => options?.prog)!.options!;
  return { handle: handle!, program: prog!.id };
}

labTest('visits, and connections that have moved, through five upgrades', async (t) => {
  t.timeout(120_000);
  let over = false;
  const visits = (async () => {
    const all: Visit[] = [];
    while (!over)
      all.push(...(await visitSteadily(lab.head.listen, '/whoami', { count: 20, perSecond: 40 })));
    return all;
  })();
  const clients = Array.from({ length: 4 }, async () => {
    const socket = await open(lab.head.listen);
    let problem = '';
    socket.on('error', (error) => {
      problem = error.message;
    });
    let answers = 0;
    while (!over && problem === '' && !socket.destroyed) {
      socket.write('GET /whoami HTTP/1.1\r\nHost: x\r\n\r\n');
      await once(socket, 'data');
      answers++;
      await delay(50);
    }
    socket.destroy();
    return { problem, answers, isWhole: over };
  });
  for (let round = 0; round < 5; round++) {
    const before = await filter();
    ({ pid: successor } = await upgradeHead(join(lab.network.directory, 'head.admin.sock')));
    const status = await lab.untilStatus(
      'both are back, with what they hold',
      ({ pid, deliveries, migration }) =>
        pid === successor &&
        deliveries.filter(({ state }) => state === 'up').length === 2 &&
        migration!.flows.listed.every(({ delivery }) => delivery !== null),
    );
    t.true(status.migration!.flows.count >= 4);
    // The successor's program, at the same place: nobody's packets were without one meanwhile.
    const after = await filter();
    t.is(after.handle, before.handle);
    t.not(after.program, before.program);
  }
  over = true;
  for (const client of await Promise.all(clients)) {
    t.like(client, { problem: '', isWhole: true });
    t.true(client.answers > 10);
  }
  const all = await visits;
  t.deepEqual(failed(all), []);
  t.true(all.every(({ body }) => body.includes('"transport":"migrate"')));
  await untilNothingIsLeft(lab);
});
