import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { getMetrics, getStatus, setDrain, setMode, upgradeHead } from '../../../infra/admin-client.ts';
import { baton, startService } from '../../../infra/lab/service.ts';
import { send } from '../../support/raw-client.ts';
import { gone } from '../../support/upgrades.ts';

const ask = 'GET /bytes/10 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
const [node, main] = baton as [string, string];

/** A head with one worker and a delivery, which write down what they load, threads included. */
async function startBoth() {
  const directory = await mkdtemp(join(tmpdir(), 'baton-test-'));
  const file = join(directory, 'loaded');
  const hook = `import { appendFileSync } from 'node:fs'; import { registerHooks } from 'node:module';
    registerHooks({ load(url, context, next) { appendFileSync(${JSON.stringify(file)}, process.pid + ' ' + url + '\\n'); return next(url, context); } });`;
  const noting = [node, '--import', `data:text/javascript,${encodeURIComponent(hook)}`, main];
  const socket = join(directory, 'head.sock');
  const head = await startService([
    ...noting,
    ...['head', '--listen', '127.0.0.1:0', '--socket', socket, '--workers', '1'],
  ]);
  const delivery = await startService([...noting, 'delivery', '--name', 'd1', '--head', socket]);
  return {
    head,
    delivery,
    admin: String(head.ready.admin),
    listen: String(head.ready.listen),
    async loadedBy(pid: number): Promise<string[]> {
      const lines = (await readFile(file, 'utf8')).split('\n').map((line) => line.split(' '));
      return lines.filter(([by]) => by === String(pid)).map(([, url]) => url!);
    },
    async end() {
      await Promise.all([head.kill(), delivery.kill()]);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

let both: Awaited<ReturnType<typeof startBoth>>;
test.before(async () => {
  both = await startBoth();
});
test.after.always(() => both.end());

test.serial(
  'without deliveries of other hosts nothing is loaded that is for them, nor what few need',
  async (t) => {
    const far =
      /\/head\/(migrate\/index|steer)|\/delivery\/remote\/|tcp-repair|wire\/remote\/link|worker\/own-moves/;
    const rare = /msgpackr-extract|node-unix-socket|node:(tls|http|https|http2|crypto)$/;
    const head = await both.loadedBy(both.head.pid);
    t.true(
      head.some((url) => url.endsWith('/head/worker/loop.ts')),
      'of workers too',
    );
    t.deepEqual(
      head.filter((url) => far.test(url) || rare.test(url)),
      [],
    );
    const delivery = await both.loadedBy(both.delivery.pid);
    t.true(delivery.some((url) => url.endsWith('/delivery/lane.ts')));
    t.deepEqual(
      delivery.filter(
        (url) => far.test(url) || /msgpackr-extract|node-unix-socket|node:(tls|http|crypto)$/.test(url),
      ),
      [],
    );
  },
);

/** An upgrade replaces the files of a head that runs: what it loaded of them then would be another release's. */
test.serial('what runs loads no file any more, until it has been replaced', async (t) => {
  const { admin, listen, head, delivery } = both;
  const filesOf = async (pid: number) => (await both.loadedBy(pid)).filter((url) => url.startsWith('file:'));
  const atStart = await Promise.all([filesOf(head.pid), filesOf(delivery.pid)]);
  for (const mode of ['handoff', 'redirect', 'created'] as const) {
    await setMode(admin, mode);
    const status = { handoff: 200, redirect: 307, created: 201 }[mode];
    t.is((await send(listen, ask)).status, status, mode);
  }
  t.is((await send(listen, 'nonsense\r\n\r\n')).status, 400);
  await setMode(admin, 'handoff');
  await Promise.all([getStatus(admin), getMetrics(admin), setDrain(admin, 'd1', true)]);
  await setDrain(admin, 'd1', false);
  const { pid } = await upgradeHead(admin);
  t.teardown(() => void process.kill(pid, 'SIGKILL'));
  await gone(head.pid);
  t.is((await send(listen, ask)).status, 200);
  t.deepEqual(await Promise.all([filesOf(head.pid), filesOf(delivery.pid)]), atStart);
  t.true((await both.loadedBy(pid)).length > 0, 'the successor was watched as well');
});
