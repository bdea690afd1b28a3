import test from 'ava';
import type { Card } from '../../../shared/host/cards.ts';
import { setCommand } from '../../../shared/host/cards.ts';
import { exposure, strictReversePath } from '../../../shared/host/direct-return.ts';

const vip = '10.77.0.100';
const lo: Card = {
  name: 'lo',
  loopback: true,
  resolves: false,
  addresses: [
    { address: vip, prefix: 32 },
    { address: 'fd77::100', prefix: 128 },
  ],
};
const nic = (name: string, ...addresses: Card['addresses']): Card => ({
  name,
  loopback: false,
  resolves: true,
  addresses,
});
const tunnel: Card = { ...nic('wg0'), resolves: false };
const reading = (values: Record<string, number>) => (name: string) =>
  values[name.replace('net/ipv4/conf/', '')];

/** arp_ignore and arp_announce of all and of eth0 -> the command, undefined when the head alone answers. */
const arp: [ignore: [number, number], announce: [number, number], fix: string | undefined][] = [
  [[1, 0], [2, 0], undefined],
  [[0, 1], [0, 2], undefined],
  [[2, 0], [2, 2], undefined],
  [[0, 0], [2, 0], 'sysctl -w net.ipv4.conf.all.arp_ignore=1'],
  [[1, 0], [1, 0], 'sysctl -w net.ipv4.conf.all.arp_announce=2'],
  [[0, 0], [0, 0], 'sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2'],
  // The kernel takes the greater, and 3 answers for addresses of other cards.
  [[1, 3], [2, 0], 'sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.eth0.arp_ignore=1'],
];

for (const [ignore, announce, fix] of arp) {
  test(`arp_ignore ${ignore} and arp_announce ${announce}: ${fix ?? 'silent'}`, (t) => {
    const read = reading({
      'all/arp_ignore': ignore[0],
      'eth0/arp_ignore': ignore[1],
      'all/arp_announce': announce[0],
      'eth0/arp_announce': announce[1],
    });
    t.is(exposure([vip], [lo, nic('eth0'), tunnel], read)?.fix, fix);
  });
}

test('the card that answers is named, and cards that ask nobody are left out', (t) => {
  const read = reading({ 'eth0/arp_ignore': 1, 'all/arp_announce': 2 });
  t.is(exposure([vip], [lo, nic('eth0'), tunnel], read), undefined);
  const found = exposure([vip], [lo, nic('eth0'), nic('eth1'), tunnel], read)?.found;
  t.is(found, '10.77.0.100: eth1 answers ARP for it (arp_ignore 0)');
});

test('IPv6 needs no setting, but no address may be on a card that answers for it', (t) => {
  t.is(exposure(['fd77::100'], [lo, nic('eth0')], reading({})), undefined);
  const on = nic('eth0', { address: 'fd77::100', prefix: 64 });
  t.is(
    exposure(['fd77::100'], [{ ...lo, addresses: [] }, on], reading({}))?.fix,
    'ip addr del fd77::100/64 dev eth0 && ip addr add fd77::100/128 dev lo',
  );
});

test('the reverse path is strict when the greater of the two settings is 1', (t) => {
  const strict = (all: number, own: number) =>
    strictReversePath(
      [lo, nic('eth0')],
      reading({ 'all/rp_filter': all, 'eth0/rp_filter': own, 'lo/rp_filter': 1 }),
    );
  t.deepEqual(
    [strict(0, 0), strict(2, 0), strict(0, 2), strict(2, 1), strict(1, 2)],
    [undefined, undefined, undefined, undefined, undefined],
  );
  for (const trouble of [strict(1, 0), strict(0, 1), strict(1, 1)]) {
    t.regex(trouble!.found, /strict on eth0/);
    t.is(trouble!.fix, 'sysctl -w net.ipv4.conf.all.rp_filter=2');
  }
});

test('a name with a dot in it is written with slashes, as sysctl(8) wants it', (t) => {
  t.is(
    setCommand({ 'net/ipv4/conf/eth0.7/rp_filter': 2, 'net/ipv4/ip_local_port_range': '1024 65535' }),
    'sysctl -w net/ipv4/conf/eth0.7/rp_filter=2 net.ipv4.ip_local_port_range="1024 65535"',
  );
});
