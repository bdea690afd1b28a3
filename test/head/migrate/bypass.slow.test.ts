/** Answers go straight from the delivery to the client: seen on the wire, at the head's network card and at the client's. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { ExecutionContext } from 'ava';
import test from 'ava';
import { asRoot } from '../../support/netns.ts';
import { type LabForTests, startTestLab } from '../../support/netns-lab.ts';
import { until } from '../../support/until.ts';

const labTest = asRoot(['tcpdump'], test.serial);

/** What tcpdump sees on `eth0` of a host, a line a packet, until `end`. */
async function capture(t: ExecutionContext, lab: LabForTests, host: string, filter: string) {
  const { namespace } = lab.network.host(host);
  const options = ['-i', 'eth0', '-nn', '-q', '-l', '--immediate-mode', '-B', '65536', filter];
  const child = spawn('ip', ['netns', 'exec', namespace, 'tcpdump', ...options], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.teardown(async () => void child.kill('SIGKILL'));
  const lines: string[] = [];
  const output = createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  for await (const line of createInterface({ input: child.stderr })) if (/listening on/.test(line)) break;
  return {
    lines,
    async end(): Promise<string[]> {
      child.kill('SIGINT');
      await once(output, 'close');
      return lines;
    },
  };
}

/** Bytes of payload in each packet: tcpdump -q ends a TCP line with their number. */
const payloads = (lines: readonly string[]): number[] =>
  lines.map((line) => Number(/tcp (\d+)$/.exec(line)?.[1] ?? 0));
const sum = (numbers: readonly number[]) => numbers.reduce((so, one) => so + one, 0);

labTest('answers do not pass the head, and leave in segments of full size', async (t) => {
  const lab = await startTestLab({ deliveries: 1 });
  const fromServer = `tcp and src host ${lab.network.topology.vip.v4} and src port 8080`;
  const atHead = await capture(t, lab, 'head', fromServer);
  const atClient = await capture(t, lab, 'client', fromServer);
  // Below the size at which network cards of namespaces join segments: each is seen as it would be on a wire.
  await lab.network.host('d1').run(['ip', 'link', 'set', 'eth0', 'gso_max_segs', '1']);
  const answer = await (await fetch(`http://${lab.head.listen}/bytes/500000`)).text();
  t.is(answer.length, 500_000);
  await until(
    'all of it has been seen',
    () => sum(payloads(atClient.lines)),
    (bytes) => bytes >= 500_000,
  );
  const sizes = payloads(await atClient.end());
  t.is(Math.max(...sizes), 1448, 'an MTU of 1500 without the headers and the timestamp');
  t.true(sizes.filter((size) => size === 1448).length >= 340);
  t.is(sum(payloads(await atHead.end())), 0, 'bytes for the client through the head');
  await lab.stop();
});
