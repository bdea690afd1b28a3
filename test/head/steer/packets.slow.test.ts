/**
 * Steering packet by packet: frames made by hand are put onto the client's wire, and what becomes of each is seen at the
 * delivery's network card.
 */
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import type { ExecutionContext } from 'ava';
import { execa } from 'execa';
import type { Network } from '../../../infra/lab/netns/network.ts';
import {
  DESTINATION,
  type Ends,
  frame,
  HOP_BY_HOP,
  ipv4,
  ipv6,
  type Segment,
  TCP_PROTOCOL,
  tcp,
  tcpPacket,
  tooBig,
} from '../../support/frames.ts';
import { type Agent, asRoot, startAgent, startNetwork } from '../../support/netns.ts';
import { until } from '../../support/until.ts';

const steer = asRoot(['tcpdump']);
const PORT = 80;
const ACK = 16;
const SYN = 2;
const RST = 4;

interface Stage {
  readonly network: Network;
  readonly head: Agent;
  readonly client: Agent;
  readonly vip: string;
  readonly address: string;
  /** Packets that the delivery's card got, a line each. */
  readonly seen: string[];
  /** Puts packets onto the client's wire, addressed to the head's card. */
  send(...packets: Buffer[]): Promise<void>;
  /** Waits until all that was sent has gone its way: a last packet that surely reaches the delivery. */
  settled(): Promise<string[]>;
}

/** A head that steers a flow from the client's port 1234 to d1; nobody listens anywhere. */
async function stage(t: ExecutionContext, family: 'v4' | 'v6', filter: string): Promise<Stage> {
  const network = await startNetwork(t, 1);
  const [head, client] = [startAgent(t, network.host('head')), startAgent(t, network.host('client'))];
  const vip = network.topology.vip[family];
  const address = family === 'v4' ? '10.77.0.1' : 'fd77::1';
  const delivery = network.host('d1');
  await head.attach('eth0', { capacity: 64 });
  const hop = await head.resolve(family === 'v4' ? delivery.address : 'fd77::11');
  await head.forward({ client: { host: address, port: 1234 }, server: { host: vip, port: PORT } }, hop);
  await head.forward({ client: { host: address, port: 9 }, server: { host: vip, port: PORT } }, hop);
  const seen = await capture(t, delivery.namespace, filter);
  const macs = { from: network.host('client').spec.mac, to: network.host('head').spec.mac };
  const put = (...packets: Buffer[]) =>
    client.sendFrames(...packets.map((packet) => frame(macs, packet).toString('hex')));
  return {
    network,
    head,
    client,
    vip,
    address,
    seen,
    send: put,
    async settled() {
      const end = { fromPort: 9, toPort: PORT, seq: 4242, flags: ACK };
      await put(tcpPacket({ from: address, to: vip }, end));
      await until(
        'the last packet',
        () => seen,
        (lines) => lines.some((line) => /[.:]9 > /.test(line) || line.includes('.9 > ')),
      );
      return seen.filter((line) => !line.includes('.9 > '));
    },
  };
}

async function capture(t: ExecutionContext, namespace: string, filter: string): Promise<string[]> {
  const dump = ['tcpdump', '-i', 'eth0', '-n', '-l', '--immediate-mode', `(${filter}) or (tcp src port 9)`];
  const child = execa('ip', ['netns', 'exec', namespace, ...dump], { reject: false, buffer: false });
  t.teardown(async () => {
    child.kill('SIGKILL');
    await child;
  });
  const lines: string[] = [];
  let rest = '';
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('\n');
    rest = parts.pop()!;
    lines.push(...parts);
  });
  const errors = child.stderr as Readable;
  for (let said = ''; !said.includes('listening on'); ) said += String((await once(errors, 'data'))[0]);
  return lines;
}

for (const family of ['v4', 'v6'] as const) {
  steer(`an error about a packet that a delivery sent goes to the delivery, over IP${family}`, async (t) => {
    const { head, vip, address, send, settled } = await stage(t, family, 'icmp or icmp6[0] == 2');
    const back = { from: vip, to: address };
    const about = (toPort: number) =>
      tooBig({ from: address, to: vip }, 1400, tcpPacket(back, { fromPort: PORT, toPort, flags: ACK }));
    // The second is about a connection of the head's own.
    await send(about(1234), about(4321));
    const lines = await settled();
    t.is(lines.length, 1, lines.join('\n'));
    t.regex(lines[0]!, /need to frag|too big/);
    t.is((await head.list()).length, 2);
  });
}

steer('all pieces of a datagram go where the first one goes', async (t) => {
  const { vip, address, send, settled } = await stage(t, 'v4', `src host 10.77.0.1 and dst host 10.77.0.100`);
  const ends: Ends = { from: address, to: vip };
  const segment = tcp(ends, { fromPort: 1234, toPort: PORT, seq: 1, flags: ACK, data: 'x'.repeat(60) });
  const other = tcp(ends, { fromPort: 4321, toPort: PORT, seq: 1, flags: ACK, data: 'x'.repeat(60) });
  const pieces = (id: number, whole: Buffer) => [
    ipv4(ends, TCP_PROTOCOL, whole.subarray(0, 40), { id, offset: 0, more: true }),
    ipv4(ends, TCP_PROTOCOL, whole.subarray(40), { id, offset: 40, more: false }),
  ];
  await send(...pieces(77, segment), ...pieces(78, other));
  const lines = await settled();
  t.is(lines.length, 2, lines.join('\n'));
});

steer('headers between IPv6 and TCP are looked behind, and pieces as well', async (t) => {
  const { vip, address, send, settled } = await stage(t, 'v6', 'src host fd77::1 and dst host fd77::100');
  const ends: Ends = { from: address, to: vip };
  const segment = tcp(ends, { fromPort: 1234, toPort: PORT, seq: 1, flags: ACK, data: 'x'.repeat(60) });
  const other = tcp(ends, { fromPort: 4321, toPort: PORT, seq: 1, flags: ACK });
  await send(
    ipv6(ends, TCP_PROTOCOL, segment, { extensions: [DESTINATION] }),
    ipv6(ends, TCP_PROTOCOL, segment, { extensions: [HOP_BY_HOP, DESTINATION] }),
    ipv6(ends, TCP_PROTOCOL, segment.subarray(0, 40), { piece: { id: 5, offset: 0, more: true } }),
    ipv6(ends, TCP_PROTOCOL, segment.subarray(40), { piece: { id: 5, offset: 40, more: false } }),
    ipv6(ends, TCP_PROTOCOL, other, { extensions: [DESTINATION] }),
  );
  const lines = await settled();
  t.is(lines.length, 4, lines.join('\n'));
});

steer("frames of a VLAN are another network's", async (t) => {
  const { network, client, head, vip, address, settled } = await stage(t, 'v4', 'tcp src port 1234');
  const macs = { from: network.host('client').spec.mac, to: network.host('head').spec.mac };
  const packet = tcpPacket({ from: address, to: vip }, { fromPort: 1234, toPort: PORT, flags: ACK });
  await client.sendFrames(frame(macs, packet, 100).toString('hex'), frame(macs, packet, 0).toString('hex'));
  const lines = await settled();
  // Number 0 is none: such a tag carries a priority alone.
  t.is(lines.length, 1, lines.join('\n'));
  const flow = (await head.list()).find(({ client: { port } }) => port === 1234);
  t.is(flow!.packets, 1);
});

for (const [what, flags] of [
  ['an ACK', ACK],
  ['a RST', RST],
  ['a RST with an ACK', RST | ACK],
] as const) {
  for (const listens of [true, false]) {
    const where = listens ? 'to a port that is listened on' : 'to a port that nobody listens on';
    steer(`a forged SYN and ${what} that fits it do not end a flow, ${where}`, async (t) => {
      const { head, vip, address, send, settled } = await stage(t, 'v4', 'tcp src port 1234');
      if (listens) await head.echo(vip, PORT);
      const ends: Ends = { from: address, to: vip };
      const segment = (rest: Omit<Segment, 'fromPort' | 'toPort'>) =>
        tcpPacket(ends, { fromPort: 1234, toPort: PORT, ...rest });
      await send(
        segment({ flags: SYN, seq: 1000 }),
        segment({ flags, seq: 1001, ack: 99_999 }),
        segment({ flags: ACK, seq: 500_000, ack: 1 }),
      );
      const lines = await settled();
      t.is(lines.filter((line) => line.includes('seq 1001')).length, 0);
      t.is(lines.length, 1, lines.join('\n'));
      t.is((await head.list()).length, 2);
    });
  }
}
