/** How right the links of a netns lab are. */
import { once } from 'node:events';
import { cpus } from 'node:os';
import test, { type ExecutionContext } from 'ava';
import { execa } from 'execa';
import type { Link } from '../../../infra/lab/delay/wire.ts';
import type { Network } from '../../../infra/lab/netns/network.ts';
import { asRoot, startAgent, startNetwork } from '../../support/netns.ts';

asRoot(['tcpdump', 'python3'], test.serial)(
  'a link of 10 ms is right to 0.2 ms for nine of ten packets, at 5,000 a second',
  async (t) => {
    const runs = [];
    for (let i = 0; i < 4; i++) {
      const run = await measureDelay(t, { delayMs: 10 });
      runs.push(run);
      const { p50, p90, p99, sent, count, busy } = run;
      const off = [p50, p90, p99].map((micros) => micros.toFixed(0)).join(', ');
      t.log(
        `${count} of ${sent}: off by ${off} us at p50, p90, p99; processors busy ${(100 * busy).toFixed(0)}%`,
      );
      // The last per cent says how long other programs, and other machines on the same host, kept the processor; where they
      // keep it most of the time, half of them are what can be told.
      const told = busy > BUSY ? [p50] : [p50, p90];
      if (count >= sent * 0.99 && told.every((micros) => Math.abs(micros) <= 200)) {
        t.pass();
        return;
      }
    }
    t.fail(JSON.stringify(runs));
  },
);

/** Of all processors' time; the measurement itself takes a third on two of them. */
const BUSY = 0.75;

function processorTimes() {
  const times = cpus().map((cpu) => cpu.times);
  const idle = times.reduce((sum, time) => sum + time.idle, 0);
  return { idle, all: times.reduce((sum, { user, nice, sys, irq }) => sum + user + nice + sys + irq, idle) };
}

/** Sends 5,000 packets a second for 2 s and compares the captures at both ends; microseconds off. */
async function measureDelay(t: ExecutionContext, link: Link) {
  const network = await startNetwork(t, 0, { client: link });
  const client = startAgent(t, network.host('client'));
  const [left, arrived] = [startCapture(t, network, 'client'), startCapture(t, network, 'head')];
  await Promise.all([left.listening, arrived.listening]);
  // It has a route as soon as its card is up, which the kernel says a moment later.
  await client.resolve('10.77.0.2');
  const before = processorTimes();
  await client.send5555('10.77.0.2', 10_000, 5000);
  const after = processorTimes();
  // The kernel hands a capture over in blocks, a second late at most (packet(7), TPACKET_V3).
  await client.sleep(1200);
  const [sent, received] = [await left.stop(), await arrived.stop()];
  await network.remove();
  const off = [...received]
    .filter(([number]) => sent.has(number) && number < 10_000)
    .map(([number, micros]) => micros - sent.get(number)! - link.delayMs! * 1000)
    .toSorted((a, b) => a - b);
  const at = (part: number) => off[Math.floor(off.length * part)]!;
  const busy = 1 - (after.idle - before.idle) / (after.all - before.all);
  return { sent: sent.size, count: off.length, p50: at(0.5), p90: at(0.9), p99: at(0.99), busy };
}

/** When each numbered packet passed the card, microseconds (pcap-savefile(5), with nanoseconds). */
function startCapture(t: ExecutionContext, network: Network, host: string) {
  const dump = ['tcpdump', '-i', 'eth0', '-s', '64', '-B', '16384', '-w', '-', '--time-stamp-precision=nano'];
  const command = ['netns', 'exec', network.host(host).namespace, ...dump, 'udp dst port 5555'];
  const child = execa('ip', command, { encoding: 'buffer', stripFinalNewline: false, reject: false });
  t.teardown(async () => void child.kill('SIGKILL'));
  return {
    listening: once(child.stderr, 'data'),
    async stop(): Promise<Map<number, number>> {
      child.kill('SIGINT');
      const file = Buffer.from((await child).stdout);
      const times = new Map<number, number>();
      for (let at = 24; at + 16 <= file.length; at += 16 + file.readUInt32LE(at + 8)) {
        // Ethernet 14, IPv4 20 and UDP 8 bytes come before the number.
        const number = file.readUInt32BE(at + 16 + 42);
        times.set(number, file.readUInt32LE(at) * 1e6 + file.readUInt32LE(at + 4) / 1000);
      }
      return times;
    },
  };
}
