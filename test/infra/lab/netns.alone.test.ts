/** The netns lab: whole when it is up, gone when it is down or its owner has died, and a world of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { createRecord, removeRecord } from '../../../infra/lab/netns/record.ts';
import { startNetnsLab } from '../../../infra/lab/netns.ts';
import { visitFrom } from '../../../infra/lab/visit-from.ts';
import { asRoot, startAgent, startNetwork } from '../../support/netns.ts';
import { until } from '../../support/until.ts';

const main = fileURLToPath(new URL('../../../infra/cli/main.ts', import.meta.url));
const crashing = fileURLToPath(new URL('../../support/crashing-lab.ts', import.meta.url));
const labTest = asRoot();

/** Namespaces, processes in them, cards in the machine's own namespace, and files: what a lab could leave. */
async function leftOf(name: string) {
  const { stdout: namespaces } = await execa('ip', ['netns', 'list']);
  const { stdout: links } = await execa('ip', ['-brief', 'link']);
  return {
    namespaces: namespaces.split('\n').filter((line) => line.startsWith(`${name}-`)),
    links: links.split('\n').filter((line) => /^(br0|[pw]-)/.test(line)),
    directory: existsSync(`/run/baton/labs/${name}`),
    delayLines: delayLines.get(name)?.filter(isAlive) ?? [],
  };
}

/** Of each lab, found while it was up. */
const delayLines = new Map<string, number[]>();
const nothing = { namespaces: [], links: [], directory: false, delayLines: [] };

/** One that has ended but that its parent has not asked about (proc(5): Z) is gone. */
function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat[stat.lastIndexOf(')') + 2] !== 'Z';
  } catch {
    return false;
  }
}

async function pidsIn(network: string): Promise<number[]> {
  const { stdout } = await execa('ip', ['netns', 'pids', `${network}-net`]);
  return stdout.split('\n').filter(Boolean).map(Number);
}

labTest('hosts reach each other, the head alone speaks for the VIP, and nothing is left', async (t) => {
  const before = Object.keys(networkInterfaces());
  const network = await startNetwork(t, 2, { d2: { delayMs: 1 } });
  const client = startAgent(t, network.host('client'));
  const head = startAgent(t, network.host('head'));
  delayLines.set(network.name, await pidsIn(network.name));
  t.is(delayLines.get(network.name)!.length, 1);
  for (const { v, host } of [
    { v: network.topology.vip.v4, host: 'head' },
    { v: network.topology.vip.v6, host: 'head' },
    { v: '10.77.0.12', host: 'd2' },
    { v: 'fd77::11', host: 'd1' },
  ])
    t.is((await client.resolve(v)).mac, network.host(host).spec.mac, v);
  t.is((await head.resolve('10.77.0.12')).mac, network.host('d2').spec.mac);
  const addresses = await network.host('d1').run(['ip', '-brief', 'addr', 'show', 'dev', 'lo']);
  t.regex(addresses, /10\.77\.0\.100\/32.*fd77::100\/128/);
  await network.remove();
  t.deepEqual(await leftOf(network.name), nothing);
  t.deepEqual(Object.keys(networkInterfaces()), before);
});

labTest('two labs at once have the same addresses and do not meet', async (t) => {
  const [one, two] = await Promise.all([startNetwork(t, 0), startNetwork(t, 0)]);
  t.not(one.name, two.name);
  await startAgent(t, one.host('head')).echo(one.topology.vip.v4, 80);
  await t.notThrowsAsync(startAgent(t, one.host('client')).connect('10.77.0.100', 80));
  const stranger = startAgent(t, two.host('client'));
  await t.throwsAsync(stranger.connect('10.77.0.100', 80), { code: 'ECONNREFUSED' });
  await one.remove();
  await t.throwsAsync(stranger.connect('10.77.0.100', 80), { code: 'ECONNREFUSED' });
});

for (const moment of ['building', 'built'] as const) {
  labTest(`what a lab leaves that was killed while ${moment} is removed by the next`, async (t) => {
    const child = spawn(process.execPath, [crashing, moment], { stdio: ['ignore', 'pipe', 'inherit'] });
    t.teardown(async () => void child.kill('SIGKILL'));
    const [line] = await once(createInterface({ input: child.stdout }), 'line');
    const name = String(line);
    if (moment === 'built') delayLines.set(name, await pidsIn(name));
    child.kill('SIGKILL');
    await once(child, 'exit');
    t.notDeepEqual(await leftOf(name), nothing);
    await startNetwork(t, 0);
    t.deepEqual(await leftOf(name), nothing);
  });
}

labTest('a delay line ends with its host', async (t) => {
  const network = await startNetwork(t, 0, { client: { delayMs: 1 } });
  const pids = await pidsIn(network.name);
  t.is(pids.length, 1);
  await execa('ip', ['netns', 'delete', network.host('client').namespace]);
  await until(
    'it has ended',
    () => pids.filter(isAlive),
    (alive) => alive.length === 0,
  );
  t.pass();
});

labTest('baton lab up makes a lab that stays, and down removes it', async (t) => {
  const baton = (...args: string[]) => execa(process.execPath, [main, ...args], { reject: false });
  const up = await baton('lab', 'up', '--on', 'netns', '--deliveries', '1', '--rtt', '10ms');
  t.is(up.exitCode, 0, up.stderr);
  const name = /baton-\d+-\d+(?= is up)/.exec(up.stdout)![0];
  delayLines.set(name, await pidsIn(name));
  t.regex(up.stdout, new RegExp(`d1 +${name}-d1 +10\\.77\\.0\\.11/24`));
  // Another lab leaves it alone.
  await startNetwork(t, 0);
  t.is((await leftOf(name)).namespaces.length, 4);
  t.is(delayLines.get(name)!.length, 1);
  const down = await baton('lab', 'down', '--on', 'netns');
  t.is(down.exitCode, 0, down.stderr);
  t.true(down.stdout.includes(name));
  t.deepEqual(await leftOf(name), nothing);
  const wrong = await baton('lab', 'up');
  t.is(wrong.exitCode, 2);
  t.regex(wrong.stderr, /--on.*netns/);
});

labTest('a lab answers visits at the VIP, and a round trip takes what it was told to', async (t) => {
  const lab = await startNetnsLab({ mode: 'handoff', deliveries: 2, links: { client: { delayMs: 25 } } });
  t.teardown(lab.stop);
  const visit = async () => {
    const urls = [`http://${lab.head.listen}/bytes/100`];
    const result = await visitFrom(lab.client, { urls, rate: 20, durationMs: 1000 });
    return { succeeded: result!.succeeded, ms: result!.latency.min / 1000, redirects: result!.redirects };
  };
  const handoff = await visit();
  t.like(handoff, { succeeded: 20, redirects: {} });
  t.true(handoff.ms >= 100 && handoff.ms < 110, `${handoff.ms} ms`);
  await lab.head.setMode('redirect');
  const redirect = await visit();
  t.like(redirect, { succeeded: 20, redirects: { 307: 20 } });
  t.true(redirect.ms >= 200 && redirect.ms < 215, `${redirect.ms} ms`);
  const pids = [lab.head.pid, ...lab.deliveries.map(({ pid }) => pid)];
  await lab.stop();
  t.false(pids.some(isAlive));
  t.deepEqual(await leftOf(lab.network.name), nothing);
});

labTest('the delay of a cable is changed while the lab runs, and a plain cable cannot be', async (t) => {
  const lab = await startNetnsLab({ mode: 'handoff', deliveries: 1, links: { client: {} } });
  t.teardown(lab.stop);
  const urls = [`http://${lab.head.listen}/bytes/10`];
  const p50 = async () => (await visitFrom(lab.client, { urls, rate: 20, durationMs: 500 }))!.latency.p50;
  const before = await p50();
  await lab.client.setLink({ delayMs: 20 });
  const slow = await p50();
  await lab.client.setLink({});
  const after = await p50();
  // Two round trips: connect, and the request.
  t.true(slow > 79_000 && slow < before + 100_000, `${slow} µs`);
  t.true(after < 40_000 && before < 40_000, `${before} and ${after} µs`);
  await t.throwsAsync(lab.deliveries[0]!.host.setLink({ delayMs: 1 }), { code: 'LAB_FAILED', message: /d1/ });
});

labTest(
  'a name is not given again whose namespaces an earlier process of this number has left',
  async (t) => {
    const { name } = createRecord();
    t.teardown(() => removeRecord(name));
    const [, start, number] = /^(.*-)(\d+)$/.exec(name)!;
    const next = `${start}${Number(number) + 1}`;
    await execa('ip', ['netns', 'add', `${next}-head`]);
    t.teardown(async () => void (await execa('ip', ['netns', 'del', `${next}-head`])));
    const { name: given } = createRecord();
    t.teardown(() => removeRecord(given));
    t.is(given, `${start}${Number(number) + 2}`);
    t.false(existsSync(`/run/baton/labs/${next}`));
  },
);
