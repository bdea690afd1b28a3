/** Which flows a head forgets, and whom it tells: on a head's network card, with real connections. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { Flows } from '../../../head/migrate/flows.ts';
import { attachSteering, keyOf, resolveNextHop, type Steering } from '../../../head/steer/index.ts';
import type { Network } from '../../../infra/lab/netns/network.ts';
import { enterNamespace } from '../../support/enter-namespace.ts';
import { asRoot, startNetwork } from '../../support/netns.ts';
import { until } from '../../support/until.ts';

const labTest = asRoot([], test.serial);
const CLAIM_WITHIN_MS = 300;

interface Stage {
  readonly network: Network;
  readonly steering: Steering;
  /** A connection to the shared address that nobody has at its other end. */
  readonly client: { readonly key: Buffer; readonly socket: Socket; error: string };
  /** Steered to d1. */
  forward(): Promise<Awaited<ReturnType<typeof resolveNextHop>>>;
}

/** This file is at the head. */
async function setUp(t: ExecutionContext): Promise<Stage> {
  const network = await startNetwork(t, 1);
  const enter = (host: string) => enterNamespace(network.host(host).namespace);
  const { v4: vip } = network.topology.vip;
  // Neighbours are asked for at once, and given up soon.
  const quick = ['base_reachable_time_ms=300', 'delay_first_probe_time=1', 'retrans_time_ms=100'];
  const settings = quick.map((setting) => `net.ipv4.neigh.eth0.${setting}`);
  await network.host('head').run(['sysctl', '-qw', ...settings]);
  enter('head');
  const steering = await attachSteering('eth0', { capacity: 64 });
  t.teardown(async () => {
    enter('head');
    await steering.detach();
  });
  const server = createServer().listen(80, vip);
  await once(server, 'listening');
  const accepted = once(server, 'connection');
  enter('client');
  const socket = connect({ host: vip, port: 80 });
  await once(socket, 'connect');
  t.teardown(async () => void socket.destroy());
  const key = keyOf({
    client: { host: '10.77.0.1', port: socket.localPort! },
    server: { host: vip, port: 80 },
  });
  const client = { key, socket, error: '' };
  socket.on('error', ({ code }: NodeJS.ErrnoException) => {
    client.error = code!;
  });
  enter('head');
  const [served] = (await accepted) as [Socket];
  server.close();
  const hop = await resolveNextHop('10.77.0.11');
  return {
    network,
    steering,
    client,
    async forward() {
      // What the head's side sends when it ends does not arrive: the client thinks that it is connected.
      await network.host('head').run(['ip', 'route', 'add', 'blackhole', '10.77.0.1/32']);
      served.resetAndDestroy();
      await once(served, 'close');
      await network.host('head').run(['ip', 'route', 'del', 'blackhole', '10.77.0.1/32']);
      return hop;
    },
  };
}

const untilTold = (client: { error: string }) =>
  until(
    'the client is told',
    () => client.error,
    (error) => error === 'ECONNRESET',
    30_000,
  );

labTest('a delivery that cannot be heard keeps its flows while its host answers', async (t) => {
  const { network, steering, client, forward } = await setUp(t);
  const hop = await forward();
  // Its kernel has the connection: nobody is told of anything.
  await network
    .host('d1')
    .run(['nft', 'list', 'tables'])
    .catch(() => '');
  steering.forward(client.key, hop);
  const flows = new Flows(steering, CLAIM_WITHIN_MS).begin();
  t.teardown(async () => flows.close());
  flows.beginToMove(client.key);
  flows.add(1, client.key, 'd1');
  flows.left('d1', '10.77.0.11');
  // There is no such connection at d1: its kernel tells the client, which the head has made to send something.
  await untilTold(client);
  const later = performance.now() + 10 * CLAIM_WITHIN_MS;
  await until(
    'it has been asked for many times',
    () => performance.now(),
    (now) => now > later,
  );
  t.is(flows.count, 1, 'only a host that is gone, or a word of the delivery, ends it');
  // No card, no host.
  await network.host('d1').run(['ip', 'link', 'set', 'eth0', 'down']);
  await until(
    'the flow is forgotten',
    () => flows.count,
    (count) => count === 0,
    30_000,
  );
  t.is(steering.count(), 0);
});

labTest('clients of a host that is gone are told', async (t) => {
  const { network, steering, client, forward } = await setUp(t);
  const hop = await forward();
  await network.host('d1').run(['ip', 'link', 'set', 'eth0', 'down']);
  steering.forward(client.key, hop);
  const flows = new Flows(steering, CLAIM_WITHIN_MS).begin();
  t.teardown(async () => flows.close());
  t.is(flows.count, 1, 'found, and unclaimed');
  await untilTold(client);
  t.is(flows.count, 0);
  t.is(steering.count(), 0);
});

for (const how of ['hold', 'mark'] as const) {
  labTest(`the client of a connection that a head died with is told by the next (${how})`, async (t) => {
    const { steering, client, forward } = await setUp(t);
    await forward();
    if (how === 'hold') steering.hold(client.key, 60_000);
    else steering.mark(client.key);
    const flows = new Flows(steering, CLAIM_WITHIN_MS).begin();
    t.teardown(async () => flows.close());
    await untilTold(client);
    t.is(steering.count(), 0);
  });
}

labTest('what is left of an old connection takes nothing from a new one with the same ends', async (t) => {
  const { steering, client, forward } = await setUp(t);
  const { key } = client;
  const hop = await forward();
  const isSteered = () => steering.find(key)?.action === 'forward';
  const flows = new Flows(steering, CLAIM_WITHIN_MS).begin();
  t.teardown(async () => flows.close());
  // Its client has reset the first while that was on its way, and the second has moved.
  flows.beginToMove(key);
  steering.mark(key, 1);
  flows.beginToMove(key);
  steering.mark(key, 2);
  flows.stopMoving(key, 1);
  t.is(steering.find(key)?.action, 'mark');
  steering.forward(key, hop, { id: 2 });
  flows.add(2, key, 'd1');
  flows.stopMoving(key, 1);
  t.true(isSteered());
  // The second is over, and the third has moved before the word came that nobody had the second.
  flows.beginToMove(key);
  steering.forward(key, hop, { id: 3 });
  // Another thread has moved the third, and this one hears of the second only now.
  flows.add(3, key, 'd1');
  flows.add(2, key, 'd1');
  flows.add(3, key, 'd1');
  flows.resetAway(2, 'd1', { key, saved: undefined as never });
  t.true(isSteered());
  t.is(flows.count, 1);
  // Another card, while the head has a fourth: the program has taken its entry out.
  steering.forget(key);
  flows.move('d1', hop);
  t.is(steering.find(key), undefined);
});

labTest(
  'what a delivery still has of an old connection is not steered to it from another host',
  async (t) => {
    const { steering, client, forward } = await setUp(t);
    const hop = await forward();
    steering.forward(client.key, hop);
    const flows = new Flows(steering, 60_000).begin();
    t.teardown(async () => flows.close());
    flows.claim('d0', [1], client.key, { ...hop, mac: '02:00:00:00:00:99' });
    t.is(steering.find(client.key)!.mac, hop.mac);
    flows.claim('d1', [2], client.key, hop);
    t.is(steering.find(client.key)!.mac, hop.mac);
    t.is(flows.list()[0]!.delivery, 'd1');
  },
);

labTest(
  'a flow that is claimed while the head has a newer connection of its ends stays with the head',
  async (t) => {
    const { steering, client } = await setUp(t);
    const hop = await resolveNextHop('10.77.0.11');
    const flows = new Flows(steering, 60_000).begin();
    t.teardown(async () => flows.close());
    flows.claim('d1', [1], client.key, hop);
    t.is(steering.find(client.key)!.action, 'forward');
    // The head's kernel has this connection: what its client sends is the head's.
    client.socket.write('a packet');
    await until(
      'the entry is gone',
      () => steering.count(),
      (count) => count === 0,
    );
    flows.move('d1', hop);
    t.is(steering.count(), 0);
    t.is(client.error, '');
  },
);
