/**
 * Packets of connections that neither the table nor the head's kernel knows, while the head is told to hold them: what passes
 * all the same, and what comes of the others.
 */
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { execa } from 'execa';
import { frame, tcpPacket } from '../../support/frames.ts';
import { type Agent, asRoot, startAgent, startNetwork } from '../../support/netns.ts';
import { until } from '../../support/until.ts';

const steer = asRoot(['tcpdump']);
const PORT = 80;
const [SYN, RST, ACK] = [2, 4, 16];

interface Stage {
  readonly head: Agent;
  readonly client: Agent;
  readonly vip: string;
  /** A packet of the client's, from a port that nobody knows. */
  send(fromPort: number, flags?: number, to?: { address?: string; port?: number }): Promise<void>;
  /** Resets that came to the client's port. */
  resets(port: number): number;
  sysctl(setting: string): Promise<unknown>;
  /** Another process on the head's host. */
  another(): Agent;
}

async function stage(t: ExecutionContext, family: 'v4' | 'v6'): Promise<Stage> {
  const network = await startNetwork(t, 0);
  const [head, client] = [startAgent(t, network.host('head')), startAgent(t, network.host('client'))];
  const vip = network.topology.vip[family];
  const from = family === 'v4' ? '10.77.0.1' : 'fd77::1';
  await head.attach('eth0', { capacity: 64 });
  await head.echo(vip, PORT);
  const macs = { from: network.host('client').spec.mac, to: network.host('head').spec.mac };
  const dump = ['tcpdump', '-i', 'eth0', '-n', '-l', '--immediate-mode', 'tcp'];
  const child = execa('ip', ['netns', 'exec', network.host('client').namespace, ...dump], {
    reject: false,
    buffer: false,
  });
  t.teardown(async () => {
    child.kill('SIGKILL');
    await child;
  });
  let text = '';
  child.stdout!.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  for (let said = ''; !said.includes('listening on'); )
    said += String((await once(child.stderr as Readable, 'data'))[0]);
  return {
    head,
    client,
    vip,
    async send(fromPort, flags = ACK, { address = vip, port = PORT } = {}) {
      const packet = tcpPacket({ from, to: address }, { fromPort, toPort: port, seq: 1, flags });
      await client.sendFrames(frame(macs, packet).toString('hex'));
    },
    resets: (port) => text.split('\n').filter((line) => line.includes(`.${port}: Flags [R`)).length,
    another: () => startAgent(t, network.host('head')),
    sysctl: (setting) => network.host('head').run(['sysctl', '-qw', setting]),
  };
}

const untilReset = (resets: Stage['resets'], port: number) =>
  until(
    `a reset of ${port}`,
    () => resets(port),
    (count) => count > 0,
  );

const untilHeld = (head: Agent, count: number) =>
  until(
    `${count} packets are held`,
    () => head.unknownHeld(),
    (held) => held === count,
  );

for (const family of ['v4', 'v6'] as const) {
  steer(`what nobody knows is dropped for its time, and then reset, over IP${family}`, async (t) => {
    const { head, vip, send, resets } = await stage(t, family);
    await send(4001);
    await untilReset(resets, 4001);
    await head.holdUnknown(vip, PORT, 60_000);
    await send(4002);
    await send(4003, ACK | RST);
    await send(4004, ACK | SYN);
    await untilHeld(head, 3);
    await head.holdUnknown(vip, PORT, 0);
    await send(4005);
    await untilReset(resets, 4005);
    t.is(resets(4002) + resets(4003) + resets(4004), 0);
    t.is(await head.unknownHeld(), 3);
  });

  steer(`what nobody knows is dropped from a later moment on, over IP${family}`, async (t) => {
    const { head, vip, send, resets } = await stage(t, family);
    await head.holdUnknown(vip, PORT, 60_000, 60_000);
    await send(4001);
    await untilReset(resets, 4001);
    await head.holdUnknown(vip, PORT, 60_000, 100);
    await delay(200);
    await send(4002);
    await untilHeld(head, 1);
    t.is(resets(4002), 0);
  });

  steer(`connections of the head's own go on, and new ones begin, over IP${family}`, async (t) => {
    const { head, client, vip } = await stage(t, family);
    const before = await client.connect(vip, PORT);
    await head.holdUnknown(vip, PORT, 60_000);
    const during = await client.connect(vip, PORT);
    for (const { index } of [before, during]) {
      await client.send(index, 'hello');
      await until(
        'an echo',
        () => client.received(index),
        ({ input }) => input === 'hello',
      );
    }
    t.is(await head.unknownHeld(), 0);
  });

  steer(`a handshake of which the kernel keeps a cookie alone is completed, over IP${family}`, async (t) => {
    const { head, client, vip, send, sysctl } = await stage(t, family);
    // Always, not only in a flood.
    await sysctl('net.ipv4.tcp_syncookies=2');
    await head.holdUnknown(vip, PORT, 60_000);
    const { index } = await client.connect(vip, PORT);
    await client.send(index, 'hello');
    await until(
      'an echo',
      () => client.received(index),
      ({ input }) => input === 'hello',
    );
    // What completes none is as unknown as before.
    const held = await head.unknownHeld();
    await send(4001);
    await untilHeld(head, held + 1);
    t.pass();
  });

  steer(`other addresses and ports are left alone, over IP${family}`, async (t) => {
    const { head, vip, send, resets } = await stage(t, family);
    await head.holdUnknown(vip, PORT, 60_000);
    await send(4001, ACK, { address: family === 'v4' ? '10.77.0.2' : 'fd77::2' });
    await send(4002, ACK, { port: 81 });
    await untilReset(resets, 4001);
    await untilReset(resets, 4002);
    t.is(await head.unknownHeld(), 0);
  });
}

steer(
  'a head that begins on the same card holds what the one before held, which has the last word when it fails',
  async (t) => {
    const { head, vip, send, resets, another } = await stage(t, 'v4');
    await head.holdUnknown(vip, PORT, 60_000);
    const successor = another();
    t.true((await successor.attach('eth0')).adopted);
    await send(4001);
    await untilHeld(head, 1);
    await successor.close();
    await send(4002);
    await untilHeld(head, 2);
    await head.holdUnknown(vip, PORT, 0);
    await send(4003);
    await untilReset(resets, 4003);
    await head.holdUnknown(vip, PORT, 60_000);
    await send(4004);
    await untilHeld(head, 3);
    t.is(resets(4001) + resets(4002) + resets(4004), 0);
  },
);
