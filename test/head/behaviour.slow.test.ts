/** What a client gets is the same, straight to a delivery or through the head, in every mode on one host. */
import test from 'ava';
import { execa } from 'execa';
import { type Mode, modes } from '../../shared/status.ts';
import { declareBehaviour, type Way } from '../support/behaviour.ts';
import { declareBehaviourToday } from '../support/behaviour-today.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { needing } from '../support/needs.ts';

const clusters = new Map<Mode, Cluster>();
const undo: (() => Promise<void>)[] = [];
test.before(async () => {
  const scope = { teardown: (one: () => Promise<void>) => void undo.push(one) };
  await Promise.all(
    modes.map(async (mode) => clusters.set(mode, await startCluster(scope, ['--mode', mode]))),
  );
});
test.after.always(async () => {
  await Promise.all(undo.map((one) => one()));
});

for (const { name, byItself } of [
  { name: 'direct', byItself: true },
  { name: 'handoff', byItself: true },
  { name: 'redirect', byItself: true },
  { name: 'created', byItself: false },
] as const) {
  const way: Way = {
    name,
    byItself,
    start() {
      const { listen, deliveries, directory } = clusters.get(name === 'direct' ? 'handoff' : name)!;
      const { direct } = deliveries[0]!;
      return { address: name === 'direct' ? direct : listen, direct, directory };
    },
  };
  declareBehaviour(way, test.serial);
  declareBehaviourToday(way, test.serial);
}

needing('curl')(
  'a hundred requests of one client are one connection for the head that hands it over',
  async (t) => {
    const { listen, status } = await startCluster(t, [], ['d1']);
    await execa('curl', ['-sS', '--fail', ...Array.from({ length: 100 }, () => `http://${listen}/bytes/10`)]);
    t.like(await status(), {
      accepted: 1,
      open: 0,
      outcomes: { handoff: { taken: 1, redirected: 0, unavailable: 0 } },
    });
  },
);

needing('python3')(
  'the delivery sees the real address of the client and how the connection came',
  async (t) => {
    const { listen, deliveries } = clusters.get('handoff')!;
    const whoami = async (address: string) =>
      (await (
        await fetch(`http://${address}/whoami`, { headers: { connection: 'close' } })
      ).json()) as Record<string, unknown>;
    const handed = await whoami(listen);
    t.is(handed.transport, 'fd');
    t.regex(String(handed.id), /^[0-9a-f]{8}-\d+-\d+$/);
    t.true(deliveries.some(({ pid, name }) => pid === handed.pid && name === handed.delivery));
    const script = `
import http.client, json, sys
c = http.client.HTTPConnection(sys.argv[1], timeout=10, source_address=('127.0.0.77', 0))
c.request('GET', '/whoami')
me = c.sock.getsockname()
client = json.loads(c.getresponse().read())['client']
print(client['address'] == me[0] == '127.0.0.77' and client['port'] == me[1])
`;
    t.is((await execa('python3', ['-c', script, listen])).stdout, 'True');
    t.like(await whoami(deliveries[0]!.direct), { transport: 'direct', id: null, delivery: 'd1' });
  },
);
