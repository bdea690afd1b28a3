/** Workers that move connections over lanes of their own: while the head is taken over, and what deliveries have given back. */
import { once } from 'node:events';
import test from 'ava';
import { WebSocket } from 'ws';
import { drainByMoving } from '../../../infra/admin-client.ts';
import { decodeSaved } from '../../../shared/tcp-repair/index.ts';
import { keepAlive, keepAliveMany } from '../../support/keep-alive.ts';
import { asRoot } from '../../support/netns.ts';
import { type LabForTests, untilNothingIsLeft } from '../../support/netns-lab.ts';
import { startRogueRemote } from '../../support/rogue-remote.ts';
import { startWorkerLanesLab, WORKERS, type WorkerLanesLab } from '../../support/worker-lanes-lab.ts';

const labTest = asRoot([], test.serial);
const all = ['d1', 'd2', 'l1'];

let lab: LabForTests;
let lanes: WorkerLanesLab;
labTest('a lab of two delivery hosts and a delivery at the head', async (t) => {
  lanes = await startWorkerLanesLab();
  ({ lab } = lanes);
  t.is(lab.deliveries.length, 3);
});

test.after.always('the last head ends', () => lanes?.endSuccessor());

const untilEmpty = (name: string): Promise<unknown> =>
  lab.untilStatus(`${name} has none`, ({ deliveries }) =>
    deliveries.some((one) => one.name === name && one.inUse === 0),
  );

async function openWebSocket(): Promise<WebSocket> {
  const socket = new WebSocket(`ws://${lab.head.listen}/`, { perMessageDeflate: false });
  await once(socket, 'open');
  return socket;
}

async function echoed(socket: WebSocket, text: string): Promise<string> {
  const answer = once(socket, 'message');
  socket.send(text);
  return String((await answer)[0]);
}

labTest(
  'what has been given back goes with its state to another host and on, through an upgrade',
  async (t) => {
    t.timeout(120_000);
    await lanes.only('l1');
    const clients = await keepAliveMany(lab.head.listen, 20);
    const sockets = await Promise.all(Array.from({ length: 4 }, openWebSocket));
    let closed = 0;
    for (const socket of sockets) socket.on('close', () => closed++);
    const isServedBy = async (name: string, step: string) => {
      for (const client of clients) t.is(await client.who(), name, step);
      for (const socket of sockets) t.is(await echoed(socket, step.repeat(500)), step.repeat(500));
    };
    await isServedBy('l1', 'at the beginning');
    await lanes.untilLanes();
    const move = async (from: string, to: string) => {
      await lanes.only(to);
      t.true(await drainByMoving(lanes.admin, from));
      await untilEmpty(from);
      await isServedBy(to, `${from} to ${to}`);
    };
    await move('l1', 'd1');
    // Those that ask nothing for seconds are ended by their server.
    let over = false;
    const asking = clients.map(async (client) => {
      while (!over) t.is(await client.who(), 'd1');
    });
    await lanes.upgrade();
    await lanes.untilLanes();
    over = true;
    await Promise.all(asking);
    // At once: the program still looks for newer connections with their ends, and is not to take a copy for one.
    await isServedBy('d1', 'at the successor');
    await move('d1', 'd2');
    await move('d2', 'l1');
    await move('l1', 'd2');
    t.is(closed, 0);
    for (const { unasked, ended } of clients) t.is(unasked + (ended ?? ''), '');
    for (const client of clients) client.socket.destroy();
    for (const socket of sockets) socket.terminate();
    await lanes.only(...all);
    await untilNothingIsLeft(lab);
  },
);

for (const resumes of [undefined, true] as const) {
  const title = resumes
    ? 'and what it knew of its path'
    : 'and nothing of its path to one that would not know it';
  labTest(`a lane carries what an application has said of a connection, ${title}`, async (t) => {
    await lanes.only('l1');
    const client = await keepAlive(lab.head.listen);
    t.is((await client.ask('/bytes/200000')).body.length, 200_000);
    const socket = await openWebSocket();
    t.is(await echoed(socket, 'a'), 'a');
    lab.enter('d2');
    const rogue = await startRogueRemote(lab.control, lab.secret, {
      name: 'rogue',
      moves: 'state',
      lanes: true,
      ...(resumes && { resumes }),
    });
    t.teardown(async () => rogue.die());
    // Its lanes are open by then.
    const { lanes: count } = await rogue.next('welcome');
    t.is(count, WORKERS);
    lab.enter('client');
    await lanes.only('rogue');
    t.false((await rogue.next('move')).on);
    t.true(await drainByMoving(lanes.admin, 'l1'));
    const adopts = [await rogue.next('adopt'), await rogue.next('adopt')];
    await lab.head.drain('d1', false);
    const apps = adopts.map(({ app }) => app !== undefined);
    t.deepEqual(apps.toSorted(), [false, true]);
    for (const { id, state } of adopts) {
      t.true(rogue.lanes.say({ type: 'refused', id, reason: 'no-memory' }), 'it is of a lane');
      const { congestion } = decodeSaved(state);
      if (resumes) t.truthy(congestion);
      else t.is(congestion, null);
    }
    rogue.die();
    t.is(await client.who(), 'd1');
    t.is(await echoed(socket, 'b'), 'b');
    client.socket.destroy();
    socket.terminate();
    await lanes.only(...all);
    await untilNothingIsLeft(lab);
  });
}
