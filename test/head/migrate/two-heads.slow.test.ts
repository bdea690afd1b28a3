/**
 * Two heads that share an address, and deliveries that tell each of what the other has moved. Here nobody but the test moves
 * the address: it is at both heads, and the test says at which of them the client's packets arrive.
 */
import { execFileSync } from 'node:child_process';
import test from 'ava';
import { drainByMoving } from '../../../infra/admin-client.ts';
import { askReady } from '../../../infra/cli/ready.ts';
import { keepAliveMany } from '../../support/keep-alive.ts';
import { asRoot } from '../../support/netns.ts';
import { type LabForTests, startTestLab } from '../../support/netns-lab.ts';
import { openStream } from '../../support/stream.ts';
import { until } from '../../support/until.ts';

const labTest = asRoot(['keepalived'], test.serial);
let lab: LabForTests;
const vip = '10.77.0.100';

/** Commands on a host, one after the other, done when this returns. */
const on = (host: string, ...lines: string[]) =>
  execFileSync('ip', ['netns', 'exec', lab.network.host(host).namespace, 'sh', '-ec', lines.join('\n')], {
    encoding: 'utf8',
  });

/** From now on the client's packets to the address arrive at this head; `nowhere`: at nobody. */
function lead(to: 'head' | 'head2' | 'nowhere'): void {
  const mac = to === 'nowhere' ? '02:ba:70:00:00:99' : lab.network.host(to).spec.mac;
  on('client', `ip neigh replace ${vip} lladdr ${mac} dev eth0 nud permanent`);
}

const counts = async () => {
  const all = await Promise.all(lab.heads.map((head) => head.status()));
  return all.map(({ migration }) => migration!.flows.count);
};

const untilBothHave = (count: number) =>
  until('both heads have as many flows', counts, (both) => both.every((one) => one === count));

const untilReady = (index: number) =>
  until(
    'it is ready',
    () => askReady(lab.heads[index]!.admin),
    ({ ready }) => ready,
    30_000,
  );

/** Drains a delivery at both heads, or no longer. */
const drain = (name: string, isOn: boolean) => Promise.all(lab.heads.map((head) => head.drain(name, isOn)));

labTest('a lab of two heads, whose address is at both', async (t) => {
  lab = await startTestLab({ heads: 2, deliveryArguments: ['--credits', '8'] });
  t.deepEqual(await Promise.all(lab.headHosts!.map((host) => host.hasAddress())), [true, false]);
  const [first, second] = await Promise.all(lab.heads.map((head) => head.status()));
  t.true(first!.migration!.isActive);
  t.false(second!.migration!.isActive);
  await Promise.all(lab.headHosts!.map((host) => host.stop()));
  for (const host of ['head', 'head2']) on(host, `ip addr replace ${vip}/32 dev eth0`);
  await until(
    'both have it',
    () => Promise.all(lab.heads.map((head) => head.status())),
    (all) => all.every(({ migration }) => migration!.isActive),
  );
  lead('head');
});

labTest('what one head has moved the other sends on, and both forget when it is over', async (t) => {
  const streams = await Promise.all([1, 2, 3, 4].map(() => openStream(t, lab.head.listen)));
  await untilBothHave(4);
  // To and fro, as while two hosts both believe that they have the address.
  for (const to of ['head2', 'head', 'head2', 'head'] as const) {
    lead(to);
    await Promise.all(streams.map((stream) => stream.echo()));
  }
  for (const stream of streams) stream.close();
  await untilBothHave(0);
  t.deepEqual(
    streams.map(({ error }) => error.replace('closed', '')),
    ['', '', '', ''],
  );
});

labTest(
  'a head that comes back is told of all that are open, is ready then, and takes nothing away',
  async (t) => {
    const streams = await Promise.all([1, 2, 3].map(() => openStream(t, lab.head.listen)));
    await untilBothHave(3);
    await lab.heads[1]!.end('kill');
    t.false((await askReady(lab.heads[1]!.admin)).ready);
    // One that is gone costs the deliveries nothing.
    const more = await openStream(t, lab.head.listen);
    // As after a boot: its kernel knows nothing.
    on('head2', 'tc qdisc del dev eth0 clsact');
    await lab.heads[1]!.restart('kill');
    await untilReady(1);
    await untilBothHave(4);
    lead('head2');
    for (const stream of [...streams, more]) await stream.echo();
    // And the other one, whose table has lived on.
    await lab.heads[0]!.restart('kill');
    await untilReady(0);
    lead('head');
    for (const stream of [...streams, more]) await stream.echo();
    await untilBothHave(4);
    for (const stream of [...streams, more]) stream.close();
    await untilBothHave(0);
  },
);

labTest('a port that is used again through the other head: the old flow is nobody’s there', async (t) => {
  await drain('d2', true);
  const old = await openStream(t, lab.head.listen);
  await untilBothHave(1);
  await drain('d2', false);
  await drain('d1', true);
  // Its end is lost, so that d1 goes on to believe that it has the connection.
  lead('nowhere');
  old.reset();
  lead('head2');
  const young = await openStream(t, lab.head.listen, old.port);
  // The first head has had the same ends with d1, and is told of them with d2.
  await until(
    'the first head has the later one',
    () => lab.head.status(),
    ({ migration }) => migration!.flows.listed.some(({ delivery }) => delivery === 'd2'),
  );
  lead('head');
  await young.echo();
  t.is(young.error, '');
  await drain('d1', false);
  young.close();
  await until('nobody has it', counts, (both) => both.every((one) => one <= 1));
  await lab.deliveries[0]!.kill();
  await lab.deliveries[0]!.restart();
  await untilBothHave(0);
});

labTest(
  'both heads count what either has given: no delivery gets more than it has credits for',
  async (t) => {
    await drain('d2', true);
    const streams = [];
    for (let index = 0; index < 8; index++) {
      lead(index % 2 === 0 ? 'head' : 'head2');
      streams.push(await openStream(t, lab.head.listen));
    }
    await untilBothHave(8);
    await until(
      'both know that it is full',
      () => Promise.all(lab.heads.map((head) => head.status())),
      (all) => all.every(({ deliveries }) => deliveries.find(({ name }) => name === 'd1')!.inUse === 8),
    );
    for (const to of ['head', 'head2'] as const) {
      lead(to);
      await t.throwsAsync(openStream(t, lab.head.listen), { message: /an echo|ended/ }, to);
    }
    for (const stream of streams) {
      await stream.echo();
      stream.close();
    }
    await drain('d2', false);
    await untilBothHave(0);
    await until(
      'every credit is back, at both',
      () => Promise.all(lab.heads.map((head) => head.status())),
      (all) => all.every(({ deliveries }) => deliveries.every(({ inUse }) => inUse === 0)),
    );
  },
);

labTest(
  'what a delivery gives back goes to the head that has the address, and the other knows who has it then',
  async (t) => {
    lead('head');
    on('head2', `ip addr del ${vip}/32 dev eth0`);
    await until(
      'it is a standby',
      () => lab.heads[1]!.status(),
      ({ migration }) => !migration!.isActive,
    );
    await drain('d2', true);
    const clients = await keepAliveMany(lab.head.listen, 6);
    for (const client of clients) t.is(await client.who(), 'd1');
    await untilBothHave(6);
    await drain('d2', false);
    await drain('d1', true);
    t.true(await drainByMoving(lab.head.admin, 'd1'));
    await until(
      'd1 has none, as both know',
      () => Promise.all(lab.heads.map((head) => head.status())),
      (all) =>
        all.every(({ deliveries }) => deliveries.some(({ name, inUse }) => name === 'd1' && inUse === 0)),
    );
    for (const client of clients) t.is(await client.who(), 'd2');
    await until(
      'both send on to d2',
      () => Promise.all(lab.heads.map((head) => head.status())),
      (all) =>
        all.every(
          ({ migration }) =>
            migration!.flows.listed.length === 6 &&
            migration!.flows.listed.every(
              ({ delivery, action }) => delivery === 'd2' && action === 'forward',
            ),
        ),
    );
    on('head2', `ip addr add ${vip}/32 dev eth0`);
    lead('head2');
    for (const client of clients) t.is(await client.who(), 'd2');
    for (const { unasked, ended } of clients) t.is(unasked + (ended ?? ''), '');
    lead('head');
    for (const { socket } of clients) socket.destroy();
    await untilBothHave(0);
    await drain('d1', false);
  },
);

labTest('a packet that comes before the word about its connection is held, and not reset', async (t) => {
  lead('head');
  const stream = await openStream(t, lab.head.listen);
  await untilBothHave(1);
  // The second head's links are slow from here on: it does not hear of the next connection.
  const slow = (isOn: boolean) =>
    on(
      'head2',
      `ip route ${isOn ? 'add' : 'del'} blackhole 10.77.0.11/32`,
      `ip route ${isOn ? 'add' : 'del'} blackhole 10.77.0.12/32`,
    );
  slow(true);
  const young = await openStream(t, lab.head.listen);
  t.is((await counts())[1], 1);
  // The address comes to it just now.
  on('head2', `ip addr del ${vip}/32 dev eth0`);
  await until(
    'it is a standby',
    () => lab.heads[1]!.status(),
    ({ migration }) => !migration!.isActive,
  );
  on('head2', `ip addr add ${vip}/32 dev eth0`);
  lead('head2');
  const echoes = Promise.all([stream.echo(20_000), young.echo(20_000)]);
  await until(
    'it holds what it does not know',
    () => lab.heads[1]!.status(),
    ({ migration }) => migration!.unknownHeld > 0,
  );
  slow(false);
  await echoes;
  lead('head');
  stream.close();
  young.close();
  await untilBothHave(0);
});

labTest('a standby whose table is full knows what found room, goes on, and says so in its log', async (t) => {
  lead('head');
  // As after a boot with a smaller table.
  on('head2', 'tc qdisc del dev eth0 clsact');
  await lab.heads[1]!.restart('kill', { more: ['--flows', '2'] });
  await untilReady(1);
  const streams = await Promise.all([1, 2, 3, 4].map(() => openStream(t, lab.head.listen)));
  await until(
    'the first has all, the second what it can',
    counts,
    ([one, other]) => one === 4 && other === 2,
  );
  const { deliveries } = await lab.heads[1]!.status();
  t.true(deliveries.every(({ state }) => state === 'up'));
  // All of them go on through the first.
  await Promise.all(streams.map((stream) => stream.echo()));
  for (const stream of streams) stream.close();
  await untilBothHave(0);
  // There is room again.
  const last = await openStream(t, lab.head.listen);
  await untilBothHave(1);
  last.close();
  await untilBothHave(0);
});
