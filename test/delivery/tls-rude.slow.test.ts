/** Applications that throw while a TLS server serves: no other connection suffers, and theirs are as they would be directly. */
import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { execa } from 'execa';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { clientHello, getHttps, NAME, pair, readAll, trust } from '../support/encrypted.ts';
import { open } from '../support/raw-client.ts';
import { until } from '../support/until.ts';

const program = fileURLToPath(new URL('../support/rude-tls-app.ts', import.meta.url));
let cluster: Cluster;
const undo: (() => Promise<void>)[] = [];
test.before(async () => {
  cluster = await startCluster({ teardown: (step) => undo.push(step) }, ['--workers', '1'], []);
});
test.after.always(async () => {
  for (const step of undo.reverse()) await step();
});

async function start(t: ExecutionContext, what: string) {
  const app = execa(process.execPath, [program, cluster.socket, what, JSON.stringify(pair)], {
    reject: false,
  });
  t.teardown(async () => {
    app.kill('SIGKILL');
    await app;
    await cluster.untilStatus('it has gone', ({ deliveries }) =>
      deliveries.every(({ state }) => state === 'down'),
    );
  });
  const [line] = await once(createInterface({ input: app.stdout }), 'line');
  const { direct } = JSON.parse(String(line)) as { direct: string };
  return { direct, listen: cluster.listen };
}

/** What a visitor gets within the time; nothing where the application has forgotten him. */
async function visit(address: string, version: 1 | 2): Promise<string> {
  const abort = new AbortController();
  const late = delay(500, 'nothing', { signal: abort.signal });
  late.catch(() => {});
  const asked = async () => {
    if (version === 1) return (await getHttps(address)).body;
    const session = connectHttp2(`https://${address}`, { ...trust, servername: NAME });
    session.on('error', () => {});
    const body = await readAll(session.request({ ':path': '/' }));
    session.destroy();
    return body;
  };
  const answer = asked().catch(() => 'an end');
  const outcome = await Promise.race([answer, late]);
  abort.abort();
  return outcome;
}

for (const what of [
  'before connection',
  'after connection',
  'before secureConnection',
  'after secureConnection',
  'after session',
]) {
  test.serial(`a listener that throws ${what} costs those it throws for, as directly`, async (t) => {
    const { direct, listen } = await start(t, what);
    const seen: Record<string, string[]> = {};
    for (const [way, address] of [
      ['direct', direct],
      ['handed over', listen],
    ] as const) {
      seen[way] = [];
      for (const version of [1, 1, 2, 2] as const) seen[way].push(await visit(address, version));
    }
    // One who gets no server at all is closed, which a server that accepts forgets to do.
    const ended = (outcome: string) => (outcome === 'nothing' ? 'an end' : outcome);
    t.deepEqual(seen['handed over']!.map(ended), seen.direct!.map(ended));
    t.true(seen.direct!.includes('hello'));
    await cluster.untilStatus('no credit is lost', ({ deliveries }) =>
      deliveries.some(
        ({ state, inUse }) => state === 'up' && inUse <= (what.startsWith('before conn') ? 0 : 4),
      ),
    );
  });
}

test.serial('a listener of tlsClientError that throws costs nobody else', async (t) => {
  const { direct, listen } = await start(t, 'after tlsClientError');
  const hello = await clientHello();
  for (const address of [direct, listen]) {
    for (let count = 0; count < 4; count++) {
      const socket = await open(address);
      socket.on('error', () => {});
      socket.write(hello);
      await once(socket, 'data');
      socket.resume().write('no record at all');
      await Promise.race([once(socket, 'end'), once(socket, 'close')]);
      socket.destroy();
    }
  }
  const ask = async () =>
    JSON.parse((await getHttps(direct, '/count')).body) as { uncaught: number; connections: number };
  const { uncaught } = await ask();
  t.is(uncaught, 4);
  t.is((await getHttps(listen)).body, 'hello');
  await until('nothing is left', ask, ({ connections }) => connections === 0);
});
