/** The protocol as another language speaks it: a delivery in Python under a real head. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Agent, get, type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { json, text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { execa } from 'execa';
import { drainByMoving } from '../../infra/admin-client.ts';
import { parseHostPort } from '../../shared/units.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { keepAlive } from '../support/keep-alive.ts';
import { needing } from '../support/needs.ts';

const program = fileURLToPath(new URL('python_delivery.py', import.meta.url));
const pythonTest = needing('python3');

interface Whoami {
  readonly delivery: string;
  readonly id: string;
  readonly pid: number;
  readonly client: string;
}

/** Starts the Python delivery `py` under the cluster's head; it ends with the test. `before`: shell commands. */
async function startPython(t: ExecutionContext, cluster: Cluster, credits = 100, before = 'true') {
  const script = `${before}; exec python3 -B "$@"`;
  const child = execa('sh', ['-c', script, 'sh', program, cluster.socket, 'py', String(credits)], {
    reject: false,
    buffer: false,
  });
  t.teardown(async () => {
    child.kill('SIGKILL');
    await child;
  });
  child.stderr.on('data', (bytes: Buffer) => t.log(bytes.toString()));
  const lines = createInterface({ input: child.stdout });
  const nextLine = async () => JSON.parse(String((await once(lines, 'line'))[0])) as Record<string, unknown>;
  t.deepEqual(await nextLine(), { ready: 'delivery', name: 'py', pid: child.pid });
  return { child, nextLine };
}

const whoami = async (listen: string): Promise<Whoami> =>
  (await (await fetch(`http://${listen}/whoami`, { headers: { connection: 'close' } })).json()) as Whoami;

async function getVia(agent: Agent, listen: string): Promise<Whoami> {
  const [response] = (await once(get(`http://${listen}/whoami`, { agent }), 'response')) as [IncomingMessage];
  return (await json(response)) as Whoami;
}

const delivery = (cluster: Cluster, what: string, condition: (inUse: number, taken: number) => boolean) =>
  cluster.untilStatus(what, ({ deliveries: [py] }) => condition(py!.inUse, py!.taken));

pythonTest('a delivery in Python serves curl and fetch, bodies included', async (t) => {
  const cluster = await startCluster(t, ['--mode', 'handoff', '--workers', '2'], []);
  const { child } = await startPython(t, cluster);
  const first = await whoami(cluster.listen);
  t.deepEqual({ ...first, id: '' }, { delivery: 'py', id: '', pid: child.pid!, client: '127.0.0.1' });
  t.regex(first.id, /^[0-9a-f]{8}-[01]-\d+$/);

  const body = randomBytes(500_000);
  const echoed = await execa('curl', ['-sS', '--data-binary', '@-', `http://${cluster.listen}/`], {
    input: body,
    encoding: 'buffer',
    // One body in 256 ends with one.
    stripFinalNewline: false,
  });
  t.true(body.equals(echoed.stdout));

  const all = await Promise.all(Array.from({ length: 60 }, () => whoami(cluster.listen)));
  t.is(new Set([first, ...all].map(({ id }) => id)).size, 61, 'each connection has a name of its own');
  const status = await delivery(cluster, 'every credit is back', (inUse) => inUse === 0);
  t.is(status.outcomes.handoff!.taken, 62);
  t.is(status.deliveries[0]!.taken, 62);
  t.is(status.accepted, 62);
  t.is(await cluster.metric('baton_late_messages_total'), 0);
});

pythonTest(
  'requests on one connection are served by the process that took it, one after the other',
  async (t) => {
    const cluster = await startCluster(t, ['--mode', 'handoff'], []);
    await startPython(t, cluster);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    t.teardown(() => agent.destroy());
    const ids = new Set<string>();
    for (let i = 0; i < 5; i++) ids.add((await getVia(agent, cluster.listen)).id);
    t.is(ids.size, 1);
    await delivery(cluster, 'it holds one connection', (inUse, taken) => inUse === 1 && taken === 1);
    agent.destroy();
    await delivery(cluster, 'its credit is back', (inUse) => inUse === 0);
  },
);

pythonTest('it is given no more than its credits, and more again when they are back', async (t) => {
  const cluster = await startCluster(t, ['--mode', 'handoff'], []);
  await startPython(t, cluster, 2);
  const agents = [new Agent({ keepAlive: true }), new Agent({ keepAlive: true })];
  t.teardown(() => agents.forEach((agent) => void agent.destroy()));
  for (const agent of agents) await getVia(agent, cluster.listen);
  const refused = await fetch(`http://${cluster.listen}/`);
  t.is(refused.status, 503);
  t.is(refused.headers.get('retry-after'), '1');
  agents[0]!.destroy();
  await delivery(cluster, 'one credit is back', (inUse) => inUse === 1);
  t.is((await whoami(cluster.listen)).delivery, 'py');
});

pythonTest(
  'on SIGTERM it drains: what it has taken is answered, idle connections end, nothing new comes',
  async (t) => {
    const cluster = await startCluster(t, ['--mode', 'handoff'], []);
    const { child, nextLine } = await startPython(t, cluster);
    const idle = connect(parseHostPort(cluster.listen)!);
    idle.write('GET /whoami HTTP/1.1\r\nHost: x\r\n\r\n');
    await once(idle, 'data');
    // A request whose body is still on its way when the signal comes.
    const upload = request(`http://${cluster.listen}/`, {
      method: 'POST',
      headers: { 'content-length': 10 },
    });
    upload.write('hello');
    const answered = once(upload, 'response') as Promise<[IncomingMessage]>;
    await delivery(cluster, 'both were taken', (_, taken) => taken === 2);

    const [drained, idleEnded] = [nextLine(), once(idle.resume(), 'end')];
    child.kill('SIGTERM');
    await idleEnded;
    t.is((await fetch(`http://${cluster.listen}/`)).status, 503);
    upload.end('world');
    const [response] = await answered;
    t.is(await text(response), 'helloworld');
    t.deepEqual(await drained, { drained: true });
    t.is((await child).exitCode, 0);
    const status = await cluster.untilStatus('it has left', ({ deliveries: [py] }) => py!.state === 'down');
    t.is(status.deliveries[0]!.taken, 2);
    t.is(status.deliveries[0]!.returned, 0);
  },
);

pythonTest('what it may not open any more goes to another delivery', async (t) => {
  const cluster = await startCluster(t, ['--mode', 'handoff', '--workers', '1'], ['other']);
  await startPython(t, cluster, 100, 'ulimit -n 40');
  const agents = Array.from({ length: 100 }, () => new Agent({ keepAlive: true }));
  t.teardown(() => agents.forEach((agent) => void agent.destroy()));
  const answers = await Promise.all(agents.map((agent) => getVia(agent, cluster.listen)));
  const byPython = answers.filter((answer) => answer.delivery === 'py').length;
  const status = await cluster.status();
  const py = status.deliveries.find(({ name }) => name === 'py')!;
  t.is(py.taken, byPython);
  t.true(byPython < 40, `${byPython} under a limit of 40 files`);
  t.true(py.returned > 0, 'more were offered');
  t.is(py.inUse, byPython);
  t.is(status.outcomes.handoff!.taken, 100);
});

pythonTest('a name that is taken is refused with a reason', async (t) => {
  const cluster = await startCluster(t, ['--mode', 'handoff'], []);
  await startPython(t, cluster);
  const second = await execa('python3', ['-B', program, cluster.socket, 'py'], { reject: false });
  t.is(second.exitCode, 1);
  t.regex(second.stderr, /^not welcomed: a delivery called "py" \(pid \d+\) is already registered/);
});

pythonTest(
  'one that knows nothing of moving keeps what it has, and gets what others give back',
  async (t) => {
    const cluster = await startCluster(t, ['--workers', '1'], ['d1']);
    await cluster.drain('d1', true);
    await startPython(t, cluster);
    const client = await keepAlive(cluster.listen);
    t.teardown(() => void client.socket.destroy());
    t.is(await client.who(), 'py');
    await cluster.drain('d1', false);
    t.false(await drainByMoving(cluster.admin, 'py'));
    t.is(await client.who(), 'py');
    const other = await keepAlive(cluster.listen);
    t.teardown(() => void other.socket.destroy());
    t.is(await other.who(), 'd1');
    await cluster.drain('py', false);
    t.true(await drainByMoving(cluster.admin, 'd1'));
    await cluster.untilStatus('it has given it back', ({ givenBack }) => givenBack === 1);
    t.is(await other.who(), 'py');
  },
);
