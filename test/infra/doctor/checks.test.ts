/** What each check says of a machine that lacks what it looks for, and how that is fixed. */
import test from 'ava';
import type { Outcome, Role } from '../../../infra/doctor/check.ts';
import { checks } from '../../../infra/doctor/checks/index.ts';
import { examine, isFit } from '../../../infra/doctor/examine.ts';
import type { Machine } from '../../../infra/doctor/machine.ts';
import { aMachine, card, find, told } from './a-machine.ts';

const headsCards = [card('lo', '127.0.0.1/8'), card('eth0', '10.77.0.2/24', '10.77.0.100/32')];

for (const [role, cards] of [
  ['delivery', aMachine().cards],
  ['head', headsCards],
  ['lab', aMachine().cards],
] as const) {
  test(`a machine that has everything will do as a ${role}`, async (t) => {
    const groups = await examine(checks, aMachine({ cards }), told, [role]);
    const findings = groups.flatMap((group) => group.findings);
    t.true(isFit(groups));
    t.deepEqual(
      findings.filter(({ outcome }) => outcome !== 'ok'),
      [],
    );
    const expected = checks.filter((check) => check.for.includes(role)).length;
    t.is(findings.length, expected);
  });
}

const eperm = { code: 'NO_PRIVILEGE', problem: 'bpf(MAP_CREATE): EPERM' };
const silent = { code: 'NOT_ON_SEGMENT', problem: 'it is behind the router 10.77.0.1' };
const cases: [name: string, role: Role, Machine, outcome: Outcome, found: RegExp, fix?: RegExp][] = [
  ['Node.js', 'lab', aMachine({ node: '20.19.0' }), 'lacking', /20\.19\.0, and \^22/, /npm ci/],
  ['native parts', 'lab', aMachine({ brokenParts: async () => ['koffi (x)'] }), 'lacking', /koffi/, /npm ci/],
  ['native parts', 'lab', aMachine({ brokenParts: async () => ['node-unix-socket (x)'] }), 'lacking', /unix/],
  ['ip and tc', 'head', aMachine({ has: (name) => name !== 'tc' }), 'lacking', /^tc not/, /^apt-get install/],
  ['kernel', 'head', aMachine({ settings: { 'kernel/osrelease': '5.4.0' } }), 'lacking', /5\.4\.0, and 5\.6/],
  ['kernel', 'delivery', aMachine({ settings: { 'kernel/osrelease': '5.4.0' } }), 'ok', /5\.4\.0/],
  [
    'privileges',
    'delivery',
    aMachine({ uid: 1000, gid: 1001, files: { '/proc/self/status': 'CapEff:\t0000000000000000' } }),
    'lacking',
    /without CAP_NET_ADMIN \(user 1000\)/,
    /sudo setpriv --reuid 1000 --regid 1001 .*net_admin/,
  ],
  [
    'privileges',
    'head',
    aMachine({ files: { '/proc/self/status': 'CapEff:\t0000000000001000' } }),
    'lacking',
    /without CAP_BPF and CAP_PERFMON/,
  ],
  [
    'privileges',
    'delivery',
    aMachine({ files: { '/proc/self/status': 'CapEff:\t0000000000001000' } }),
    'warning',
    /CAP_NET_BIND_SERVICE: connections to ports below 1024/,
  ],
  [
    'privileges',
    'delivery',
    aMachine({ uid: 999, files: { '/proc/self/status': 'CapEff:\t0000000000001400' } }),
    'warning',
    /CAP_BPF: .* the window of a new one/,
    /\+bpf/,
  ],
  [
    'TCP_REPAIR',
    'delivery',
    aMachine({ canRepair: async () => ({ code: 'no-kernel-support', problem: 'none' }) }),
    'lacking',
    /none/,
  ],
  [
    'TCP_REPAIR',
    'delivery',
    aMachine({ uid: 1000, canRepair: async () => ({ code: 'no-privilege', problem: 'EPERM' }) }),
    'unknown',
    /only root/,
  ],
  ['bpf(2)', 'head', aMachine({ uid: 1000, canSteer: async () => eperm }), 'unknown', /only root/],
  ['bpf(2)', 'head', aMachine({ canSteer: async () => eperm }), 'lacking', /refused to root/],
  [
    'BPF file system',
    'head',
    aMachine({ hasBpffs: async () => false, run: failing('mount: unknown filesystem type') }),
    'lacking',
    /none can be mounted/,
    /^mount -t bpf/,
  ],
  ['BPF file system', 'head', aMachine({ hasBpffs: async () => false }), 'ok', /a head mounts it/],
  [
    'tc clsact',
    'head',
    aMachine({ uid: 1000, run: failing('Error: Specified qdisc kind is unknown.') }),
    'lacking',
    /no clsact/,
    /^sudo modprobe sch_ingress && sudo modprobe cls_bpf$/,
  ],
  ['tc clsact', 'head', aMachine({ run: failing('unshare: unshare failed') }), 'unknown', /unshare/],
  ['network card', 'head', aMachine({ cards: [] }), 'unknown', /--interface/],
  [
    'network card',
    'head',
    aMachine({ cards: headsCards, files: { '/sys/class/net/eth0/operstate': 'down' } }),
    'lacking',
    /eth0 is down/,
    /^ip link set eth0 up$/,
  ],
  [
    'steered flows',
    'head',
    aMachine({ flowsOn: async () => ({ count: 7, capacity: 64 }) }),
    'ok',
    /7 of 64 flows/,
  ],
  [
    'shared address',
    'delivery',
    aMachine({ uid: 1000, cards: [card('lo', '127.0.0.1/8')] }),
    'lacking',
    /10\.77\.0\.100 is not on this host/,
    /^sudo ip addr add 10\.77\.0\.100\/32 dev lo$/,
  ],
  [
    'shared address',
    'head',
    aMachine(),
    'lacking',
    /is on lo, and belongs/,
    /^ip addr del 10\.77\.0\.100\/32 dev lo && ip addr add 10\.77\.0\.100\/32 dev eth0$/,
  ],
  ['ARP', 'delivery', aMachine({ cards: headsCards }), 'lacking', /is on eth0, which answers/, /dev lo$/],
  [
    'reverse path',
    'head',
    aMachine({ settings: { 'net/ipv4/conf/all/rp_filter': '1' } }),
    'warning',
    /strict on eth0/,
    /^sysctl -w net\.ipv4\.conf\.all\.rp_filter=2$/,
  ],
  ['segment', 'delivery', aMachine({ nextHop: async () => silent }), 'lacking', /the head .* router/],
  ['segment', 'head', aMachine({ nextHop: async () => silent }), 'lacking', /the delivery .* router/],
  [
    'secret',
    'delivery',
    aMachine({ secretUsable: async () => ({ code: 'x', problem: 'does not exist', fix: 'make it' }) }),
    'lacking',
    /does not exist/,
    /^scp 10\.77\.0\.2:/,
  ],
  [
    'secret',
    'head',
    aMachine({ secretUsable: async () => ({ code: 'x', problem: 'does not exist', fix: 'make it' }) }),
    'lacking',
    /does not exist/,
    /^make it$/,
  ],
  [
    'control port',
    'delivery',
    aMachine({ canLink: async () => ({ code: 'LINK_REFUSED', problem: 'the secrets differ' }) }),
    'lacking',
    /10\.77\.0\.2:8090: the secrets differ/,
    /scp/,
  ],
  [
    'control port',
    'delivery',
    aMachine({ canLink: async () => ({ code: 'LINK_FAILED', problem: 'ECONNREFUSED' }) }),
    'lacking',
    /does not answer: ECONNREFUSED/,
    /baton head --control 10\.77\.0\.2:8090/,
  ],
  ['open files', 'head', aMachine({ openFiles: async () => 64 }), 'lacking', /64 allowed/, /^ulimit -n \d+$/],
  [
    'open files',
    'delivery',
    aMachine({ openFiles: async () => 1024 }),
    'warning',
    /896 connections/,
    /10128/,
  ],
  [
    'accept queue',
    'head',
    aMachine({ settings: { 'net/core/somaxconn': '128' } }),
    'warning',
    /128/,
    /=4096$/,
  ],
  [
    'queued connections',
    'head',
    aMachine({ settings: { 'net/ipv4/tcp_migrate_req': '0' } }),
    'warning',
    /reset/,
  ],
  ['ECN', 'head', aMachine({ settings: { 'net/ipv4/tcp_ecn': '2' } }), 'warning', /tcp_ecn 2/, /tcp_ecn=0$/],
  ['TCP options', 'head', aMachine({ settings: { 'net/ipv4/tcp_sack': '0' } }), 'warning', /tcp_sack/, /=1$/],
  ['root', 'lab', aMachine({ uid: 1000 }), 'warning', /user 1000/],
  [
    'slow cables',
    'lab',
    aMachine({ has: () => false, run: failing('Error: Specified qdisc kind is unknown.') }),
    'warning',
    /neither netem/,
    /modprobe tun/,
  ],
  [
    'local ports',
    'lab',
    aMachine({ settings: { 'net/ipv4/ip_local_port_range': '60000 60999' } }),
    'warning',
    /1000 connections/,
    /ip_local_port_range="1024 65535"$/,
  ],
  ['tools', 'lab', aMachine({ has: (name) => name !== 'tcpdump' }), 'warning', /tcpdump/, /install tcpdump$/],
];

function failing(problem: string): Machine['run'] {
  return async () => ({ ok: false, stdout: '', problem });
}

for (const [name, role, machine, outcome, found, fix] of cases) {
  test(`${name} of a ${role}: ${outcome}, ${found.source}`, async (t) => {
    const finding = await find(name, role, machine);
    t.is(finding?.outcome, outcome);
    t.regex(finding!.found, found);
    if (fix) t.regex(finding!.fix ?? '', fix);
    t.notRegex(`${finding!.found}${finding!.fix}`, /\n/);
  });
}

test('every check is shown broken by a case here', (t) => {
  const shown = new Set(cases.filter(([, , , outcome]) => outcome !== 'ok').map(([name]) => name));
  const harmless = ['steered flows'];
  t.deepEqual(
    checks.map(({ name }) => name).filter((name) => !shown.has(name) && !harmless.includes(name)),
    [],
  );
});

test('a head needs CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN, which has them in it', async (t) => {
  const outcome = async (capEff: string) =>
    (await find(
      'privileges',
      'head',
      aMachine({ uid: 999, files: { '/proc/self/status': `CapEff:\t${capEff}` } }),
    ))!.outcome;
  t.is(await outcome('000000c000001000'), 'ok');
  t.is(await outcome('0000000000201000'), 'ok');
  t.is(await outcome('0000008000001000'), 'lacking');
});

test('what was not told is not known, and says how to tell', async (t) => {
  const groups = await examine(checks, aMachine(), { vips: [] }, ['head', 'delivery']);
  t.true(isFit(groups));
  const open = groups.flatMap(({ findings }) => findings).filter(({ outcome }) => outcome !== 'ok');
  t.is(open.length, 6);
  for (const { outcome, found } of open) {
    t.is(outcome, 'unknown');
    t.regex(found, /--(vip|head|delivery|secret)/);
  }
});

test('a check that fails makes nothing fit or unfit', async (t) => {
  const machine = aMachine({ canRepair: () => Promise.reject(new Error('koffi is broken\nat x')) });
  const finding = await find('TCP_REPAIR', 'delivery', machine);
  t.deepEqual(finding, {
    check: 'TCP_REPAIR',
    outcome: 'unknown',
    found: 'could not be looked at: koffi is broken',
  });
});
