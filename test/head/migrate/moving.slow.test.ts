/** Connections that deliveries give back, of this host and of others, and that others of either kind go on with. */
import { once } from 'node:events';
import { join } from 'node:path';
import test from 'ava';
import { WebSocket } from 'ws';
import { drainByMoving } from '../../../infra/admin-client.ts';
import { closeFd } from '../../../shared/sys/sockets.ts';
import { readInfo, tcpInfo } from '../../../shared/sys/tcp-repair.ts';
import { ENDED, TAKEN } from '../../../shared/wire/lane.ts';
import { writeGiven } from '../../../shared/wire/way-back.ts';
import { keepAlive, keepAliveMany } from '../../support/keep-alive.ts';
import { asRoot } from '../../support/netns.ts';
import { type LabForTests, startTestLab, untilNothingIsLeft } from '../../support/netns-lab.ts';
import { startRogue } from '../../support/rogue.ts';

const labTest = asRoot([], test.serial);
const all = ['d1', 'd2', 'l1', 'l2'];

let lab: LabForTests;
labTest('a lab of two delivery hosts and two deliveries at the head', async (t) => {
  lab = await startTestLab({ deliveries: 2, local: 2, headArguments: ['--workers', '1'] });
  t.is(lab.deliveries.length, 4);
});

const move = (name: string) => drainByMoving(join(lab.network.directory, 'head.admin.sock'), name);

/** Nobody but these is given anything. */
async function only(...names: string[]): Promise<void> {
  for (const name of all) await lab.head.drain(name, !names.includes(name));
}

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

for (const [from, to] of [
  ['l1', 'd1'],
  ['l1', 'l2'],
  ['d1', 'l1'],
  ['d1', 'd2'],
] as const) {
  labTest(`what ${from} gives back ${to} goes on with, WebSockets too`, async (t) => {
    await only(from);
    const clients = await keepAliveMany(lab.head.listen, 20);
    for (const client of clients) t.is(await client.who(), from);
    const socket = await openWebSocket();
    let closed = false;
    socket.on('close', () => {
      closed = true;
    });
    t.is(await echoed(socket, 'a'), 'a');
    const before = await lab.head.status();
    await only(to);
    t.true(await move(from));
    await untilEmpty(from);
    for (const client of clients) t.is(await client.who(), to);
    t.is(await echoed(socket, 'b'.repeat(3000)), 'b'.repeat(3000));
    const body = 'x'.repeat(100_000);
    t.is((await clients[0]!.ask('/echo', body)).body, body);
    for (const { unasked, ended } of clients) t.is(unasked + (ended ?? ''), '');
    t.false(closed);
    const after = await lab.head.status();
    t.is(after.givenBack - before.givenBack, clients.length + 1);
    for (const client of clients) client.socket.destroy();
    socket.terminate();
    await untilNothingIsLeft(lab);
  });
}

labTest(
  'one that has given a connection to another host and keeps its copy open disturbs nobody',
  async (t) => {
    await only();
    const rogue = await startRogue(join(lab.network.directory, 'head.sock'), { moves: 'plain' });
    t.teardown(async () => rogue.die());
    const client = await keepAlive(lab.head.listen);
    t.teardown(async () => void client.socket.destroy());
    const asked = client.who();
    const offer = await rogue.offered();
    const [fd] = offer.fds;
    rogue.say(TAKEN, offer.first, 1);
    await lab.untilStatus('it is taken', ({ open }) => open === 0);
    await only('d1');
    const bytes = Buffer.alloc(64);
    rogue.give(bytes.subarray(0, writeGiven(bytes, 7)), [fd!]);
    t.deepEqual(await rogue.word(), { isMoved: true, number: 7 });
    t.is(await asked, 'd1', 'with the request that nobody had read');
    t.true(readInfo(fd!) >= 0);
    t.is(tcpInfo.state, 'closed', 'its copy stands for nothing, though it is open');
    t.is(await client.who(), 'd1');
    closeFd(fd!);
    t.is(await client.who(), 'd1', 'and no packet tells of its end');
    t.is(client.unasked + (client.ended ?? ''), '');
    client.socket.destroy();
    rogue.laneSend(Buffer.of(0x92, ENDED, 1));
    await untilNothingIsLeft(lab);
  },
);
