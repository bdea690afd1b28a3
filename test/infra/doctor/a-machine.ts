/** A machine that lacks nothing, for checks to look at; tests take away what they are about. */
import type { Asked, Role } from '../../../infra/doctor/check.ts';
import { checks } from '../../../infra/doctor/checks/index.ts';
import { examine } from '../../../infra/doctor/examine.ts';
import type { Machine } from '../../../infra/doctor/machine.ts';
import type { Card } from '../../../shared/host/cards.ts';

export const card = (name: string, ...addresses: string[]): Card => ({
  name,
  loopback: name === 'lo',
  resolves: name !== 'lo',
  addresses: addresses.map((text) => {
    const [address, prefix] = text.split('/') as [string, string];
    return { address, prefix: Number(prefix) };
  }),
});

/** As a delivery's host should be. */
const settings: Readonly<Record<string, string>> = {
  'net/ipv4/conf/all/arp_ignore': '1',
  'net/ipv4/conf/all/arp_announce': '2',
  'net/ipv4/conf/all/rp_filter': '2',
  'net/ipv4/ip_unprivileged_port_start': '1024',
  'net/ipv4/ip_local_port_range': '32768\t60999',
  'net/ipv4/tcp_ecn': '0',
  'net/ipv4/tcp_migrate_req': '1',
  'net/core/somaxconn': '4096',
  'kernel/osrelease': '6.1.0-13-amd64',
};
const files: Readonly<Record<string, string>> = {
  '/proc/self/status': 'Name:\tnode\nCapEff:\t000001ffffffffff\nSeccomp:\t0',
  '/sys/class/net/eth0/address': '02:ba:70:00:00:02',
  '/sys/class/net/eth0/operstate': 'up',
};

type Changes = Partial<Machine> & {
  readonly settings?: Readonly<Record<string, string>>;
  readonly files?: Readonly<Record<string, string>>;
};

export function aMachine(changes: Changes = {}): Machine {
  const { settings: changedSettings, files: changedFiles, ...others } = changes;
  const values = { ...settings, ...changedSettings };
  const texts = { ...files, ...changedFiles };
  const read = (file: string) => texts[file] ?? values[file.replace('/proc/sys/', '')];
  return {
    uid: 0,
    gid: 0,
    node: '24.12.0',
    cards: [card('lo', '127.0.0.1/8', '10.77.0.100/32'), card('eth0', '10.77.0.11/24')],
    setting: (name) => (values[name] === undefined ? undefined : Number(values[name])),
    read,
    has: () => true,
    run: async () => ({ ok: true, stdout: '', problem: '' }),
    openFiles: async () => 1 << 20,
    brokenParts: async () => [],
    canRepair: async () => true,
    canSteer: async () => true,
    hasBpffs: async () => true,
    flowsOn: async () => undefined,
    nextHop: async () => true,
    lookUp: async () => '10.77.0.2',
    secretUsable: async () => true,
    canLink: async () => true,
    ...others,
  };
}

/** What the command line said of it. */
export const told: Asked = {
  vips: ['10.77.0.100'],
  head: { host: '10.77.0.2', port: 8090 },
  secret: '/etc/baton/secret',
  delivery: '10.77.0.11',
};

/** What the check called `name` finds. */
export async function find(name: string, role: Role, machine: Machine, asked: Asked = told) {
  const [check] = checks.filter((one) => one.name === name);
  const groups = await examine([check!], machine, asked, [role]);
  return groups.flatMap(({ findings }) => findings)[0];
}
