/** `baton doctor` on hosts of a network of their own: one that is set up well, and each way to set it up badly. */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import test, { type ExecutionContext } from 'ava';
import { execa } from 'execa';
import { DOCTOR_SCHEMA, type Examined, type Group } from '../../../infra/doctor/examine.ts';
import type { NetnsHost, Network } from '../../../infra/lab/netns/network.ts';
import { baton } from '../../../infra/lab/service.ts';
import { asRoot, startNetwork } from '../../support/netns.ts';

// One after the other: a doctor is a process, and each network several.
const onNetwork = asRoot([], test.serial);
const VIPS = '10.77.0.100,fd77::100';
const HEAD = '10.77.0.2:8090';

interface Report {
  readonly schema: number;
  readonly fit: boolean;
  readonly groups: readonly Group[];
}

/** Runs the doctor on a host, or on this one; `before`: a program that starts it. */
async function doctor(host: NetnsHost | undefined, args: readonly string[], before: readonly string[] = []) {
  const inside = host ? ['ip', 'netns', 'exec', host.namespace] : [];
  const [program, ...rest] = [...inside, ...before, ...baton, 'doctor', '--json', ...args] as [
    string,
    ...string[],
  ];
  const { stdout, exitCode, stderr } = await execa(program, rest, { reject: false, timeout: 30_000 });
  const report = JSON.parse(stdout || JSON.stringify({ stderr })) as Report;
  if (report.schema !== DOCTOR_SCHEMA) throw new Error(`not a report of the doctor: ${stdout}${stderr}`);
  const findings = new Map<string, Examined>();
  for (const finding of report.groups.flatMap((group) => group.findings))
    findings.set(finding.check, finding);
  return {
    exitCode,
    fit: report.fit,
    of: (check: string) => findings.get(check)!,
    findings: [...findings.values()],
  };
}

function writeSecret(network: Network, name: string): string {
  const file = join(network.directory, name);
  writeFileSync(file, randomBytes(32).toString('hex'), { mode: 0o600 });
  return file;
}

async function startHead(t: ExecutionContext, network: Network, secret: string): Promise<void> {
  const socket = join(network.directory, 'head.sock');
  const listen = ['--listen', '10.77.0.100:8080', '--socket', socket, '--workers', '1'];
  const head = await network
    .host('head')
    .start([...baton, 'head', ...listen, '--control', HEAD, '--secret', secret, '--flows', '64']);
  t.teardown(() => head.stop());
}

const sh = (host: NetnsHost, script: string) => host.run(['sh', '-ec', script]);

onNetwork('hosts that are set up well lack nothing', async (t) => {
  const network = await startNetwork(t, 1);
  const secret = writeSecret(network, 'secret');
  const asHead = ['--as', 'head', '--vip', VIPS, '--secret', secret, '--delivery', '10.77.0.11'];
  const before = await doctor(network.host('head'), asHead);
  t.deepEqual(
    before.findings.filter(({ outcome }) => outcome !== 'ok' && outcome !== 'warning'),
    [],
  );
  t.is(before.exitCode, 0);
  t.regex(before.of('steered flows').found, /none at work on eth0/);

  await startHead(t, network, secret);
  const atWork = await doctor(network.host('head'), asHead);
  t.regex(atWork.of('steered flows').found, /0 of 64 flows is at work on eth0/);

  const delivery = await doctor(network.host('d1'), ['--vip', VIPS, '--head', HEAD, '--secret', secret]);
  t.deepEqual(
    delivery.findings.filter(({ outcome }) => outcome !== 'ok'),
    [],
  );
  t.is(delivery.exitCode, 0);
  t.true(delivery.fit);
});

/** What is broken on d1 -> the check that finds it, what it says, and whether a command can fix it. */
const broken: [
  title: string,
  script: string,
  check: string,
  outcome: string,
  found: RegExp,
  fixes: boolean,
][] = [
  [
    'a missing VIP',
    'ip addr del 10.77.0.100/32 dev lo',
    'shared address',
    'lacking',
    /is not on this host/,
    true,
  ],
  [
    'a missing IPv6 VIP',
    'ip addr del fd77::100/128 dev lo',
    'shared address',
    'lacking',
    /fd77::100 is not/,
    true,
  ],
  [
    'a VIP on the network card',
    'ip addr del 10.77.0.100/32 dev lo; ip addr add 10.77.0.100/24 dev eth0',
    'ARP',
    'lacking',
    /10\.77\.0\.100 is on eth0/,
    true,
  ],
  [
    'a host that answers ARP',
    'echo 0 > /proc/sys/net/ipv4/conf/all/arp_ignore',
    'ARP',
    'lacking',
    /eth0 answers ARP for it \(arp_ignore 0\)/,
    true,
  ],
  [
    'a host that asks in the name of the VIP',
    'echo 0 > /proc/sys/net/ipv4/conf/all/arp_announce',
    'ARP',
    'lacking',
    /arp_announce 0/,
    true,
  ],
  [
    'a strict reverse path',
    'for c in all eth0; do echo 1 > /proc/sys/net/ipv4/conf/$c/rp_filter; done',
    'reverse path',
    'warning',
    /strict on eth0/,
    true,
  ],
  [
    'a head behind a router',
    'ip route add 10.77.0.2/32 via 10.77.0.1',
    'segment',
    'lacking',
    /behind the router 10\.77\.0\.1/,
    false,
  ],
  [
    'a head that is gone',
    'ip neigh replace 10.77.0.2 dev eth0 lladdr 02:00:00:00:00:99',
    'control port',
    'lacking',
    /does not answer/,
    false,
  ],
];

onNetwork(
  "what is broken on a delivery's host is found, and the command that is shown fixes it",
  async (t) => {
    const network = await startNetwork(t, 1);
    const d1 = network.host('d1');
    const args = ['--vip', VIPS, '--head', HEAD, '--secret', writeSecret(network, 'secret')];
    for (const [title, script, check, outcome, found, fixes] of broken) {
      await sh(d1, script);
      const { of, exitCode } = await doctor(d1, args);
      t.like(of(check), { outcome }, title);
      t.regex(of(check).found, found, title);
      // No head runs here, so that something is always lacking.
      t.is(exitCode, 1, title);
      if (!fixes) continue;
      await sh(d1, of(check).fix!);
      t.is((await doctor(d1, args)).of(check).outcome, 'ok', `${title}: ${of(check).fix}`);
    }
  },
);

onNetwork('a wrong secret is found, and one that others can read', async (t) => {
  const network = await startNetwork(t, 1);
  await startHead(t, network, writeSecret(network, 'secret'));
  const wrong = writeSecret(network, 'wrong');
  const args = ['--vip', VIPS, '--head', HEAD, '--secret', wrong];
  const differing = await doctor(network.host('d1'), args);
  t.like(differing.of('control port'), { outcome: 'lacking' });
  t.regex(differing.of('control port').found, /the secrets of the two sides differ/);
  t.is(differing.of('secret').outcome, 'ok');
  t.is(differing.exitCode, 1);

  await execa('chmod', ['644', wrong]);
  const open = await doctor(network.host('d1'), args);
  t.like(open.of('secret'), { outcome: 'lacking', fix: `chmod 600 ${wrong}` });
  t.is(open.of('control port').outcome, 'unknown');
});

asRoot(['setpriv'], test.serial)(
  'a capability that was dropped is found, and one that was given is enough',
  async (t) => {
    const network = await startNetwork(t, 1);
    const d1 = network.host('d1');
    const args = ['--as', 'delivery', '--vip', VIPS];
    const dropped = await doctor(d1, args, ['setpriv', '--bounding-set', '-net_admin', '--inh-caps', '-all']);
    t.like(dropped.of('privileges'), { outcome: 'lacking' });
    t.regex(dropped.of('privileges').found, /without CAP_NET_ADMIN/);
    t.is(dropped.of('TCP_REPAIR').outcome, 'lacking');
    t.is(dropped.exitCode, 1);
    const given = '+net_admin,+net_bind_service,+bpf';
    const nobody = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'];
    const enough = await doctor(d1, args, [...nobody, '--inh-caps', given, '--ambient-caps', given]);
    t.is(enough.of('privileges').outcome, 'ok');
    t.is(enough.of('TCP_REPAIR').outcome, 'ok');
    t.is(enough.exitCode, 0);
    const none = await doctor(d1, ['--as', 'head'], nobody);
    t.deepEqual(
      ['privileges', 'TCP_REPAIR', 'bpf(2)', 'tc clsact'].map((check) => none.of(check).outcome),
      ['lacking', 'unknown', 'unknown', none.of('tc clsact').outcome],
    );
    t.is(none.exitCode, 1);
  },
);

onNetwork('a delivery says at its start what may go wrong, with the command', async (t) => {
  const network = await startNetwork(t, 1);
  const d1 = network.host('d1');
  await sh(d1, 'echo 0 > /proc/sys/net/ipv4/conf/all/arp_ignore');
  await sh(d1, 'for c in all eth0; do echo 1 > /proc/sys/net/ipv4/conf/$c/rp_filter; done');
  const args = ['--name', 'd1', '--head', HEAD, '--secret', writeSecret(network, 'secret'), '--vip', VIPS];
  const command = ['netns', 'exec', d1.namespace, ...baton, 'delivery', ...args];
  const child = execa('ip', command, { reject: false, buffer: false, stdout: 'ignore' });
  t.teardown(async () => {
    child.kill('SIGKILL');
    await child;
  });
  const warned: { msg: string; fix: string }[] = [];
  for await (const line of createInterface({ input: child.stderr })) {
    const { msg, fix } = JSON.parse(line) as { msg: string; fix?: string };
    if (fix === undefined) break;
    warned.push({ msg, fix });
  }
  t.deepEqual(
    warned.map(({ fix }) => fix),
    ['sysctl -w net.ipv4.conf.all.arp_ignore=1', 'sysctl -w net.ipv4.conf.all.rp_filter=2'],
  );
  t.regex(warned[0]!.msg, /eth0 answers ARP/);
  t.regex(warned[1]!.msg, /strict on eth0/);
});

test.serial('as anybody on any machine it says what it can, for people too', async (t) => {
  const { stdout, stderr } = await execa(baton[0]!, [...baton.slice(1), 'doctor'], { reject: false });
  t.is(stderr, '');
  t.regex(stdout, /^every part of Baton\n {2}✓ Node\.js +\d+\.\d+/);
  for (const role of ['head', 'delivery', 'lab']) t.regex(stdout, new RegExp(`^${role}: `, 'm'));
  t.false(stdout.includes('\x1b'), 'no colours but on a terminal');
  t.false(stdout.includes('could not be looked at'), stdout);
});

test.serial('options that make no sense are wrong usage', async (t) => {
  for (const args of [
    ['--as', 'king'],
    ['--vip', '10.0.0'],
    ['--head', 'nowhere'],
  ]) {
    const { exitCode, stdout, stderr } = await execa(baton[0]!, [...baton.slice(1), 'doctor', ...args], {
      reject: false,
    });
    t.deepEqual([exitCode, stdout], [2, ''], stderr);
    t.regex(stderr, new RegExp(`^baton: .*${args[0]}.*\n?$`));
  }
});
