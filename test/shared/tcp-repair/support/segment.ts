/**
 * Three hosts on a bridge, each a network namespace with a process of its own in it: a client, and a head and a delivery
 * that both hold the VIP. Whom the client's packets reach is its neighbour entry for the VIP. Gone after the tests.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { threadId } from 'node:worker_threads';
import test, { type ExecutionContext } from 'ava';
import { run } from '../../../../infra/lab/netns/command.ts';
import { hasNetem, netemArguments, startDelayLine, writeLinkFile } from '../../../../infra/lab/netns/link.ts';
import { type Agent, startAgent } from './agent.ts';
import type { ClientMethods } from './client.ts';
import type { HostMethods } from './host.ts';
import { type Family, type HostName, hosts, mac, macOf, rawHost, vip } from './names.ts';

export { type Family, vip };

export interface Segment {
  readonly client: Agent<ClientMethods>;
  readonly head: Agent<HostMethods>;
  readonly delivery: Agent<HostMethods>;
  readonly namespaces: Readonly<Record<HostName | 'bridge', string>>;
  /** Where the client's packets to the VIP go; `nobody` holds them. */
  steer(to: 'head' | 'delivery' | 'nobody'): void;
  /** Settings of the client's namespace. */
  sysctl(settings: Readonly<Record<string, number | string>>): void;
  /** The largest packet on the client's way to the VIP, which is also what it announces. */
  setMtu(mtu: number): void;
  /** How far away the client is, milliseconds there and back: half of it on each way of its cable. */
  setRoundTrip(ms: number, lossPercent?: number): Promise<void>;
}

const ip = (lines: readonly string[]) =>
  void execFileSync('ip', ['-batch', '-'], { input: lines.join('\n'), stdio: ['pipe', 'ignore', 'pipe'] });

let made = 0;

/** A segment for all tests of a file, which must be serial; call at its top. `farClient`: its client can be far away. */
export function segmentForFile({ farClient = false } = {}): Segment {
  const segment = {} as { -readonly [K in keyof Segment]: Segment[K] };
  if (!isRoot) return segment;
  // Test files run as threads of one process.
  const name = `baton-repair-${process.pid}-${threadId}-${made++}`;
  const bridge = `${name}-b`;
  const namespaces = { client: `${name}-c`, head: `${name}-h`, delivery: `${name}-d`, bridge };
  const all = Object.values(namespaces);
  const agents: Agent<unknown>[] = [];
  /** What the client's cable does, where the kernel has no netem. */
  let lineFile: string | undefined;

  function inClient(...lines: string[]): void {
    execFileSync('ip', ['-n', namespaces.client, '-batch', '-'], { input: lines.join('\n') });
  }
  async function start<T>(host: HostName, script: string): Promise<Agent<T>> {
    const agent = await startAgent<T>(namespaces[host], script);
    agents.push(agent);
    return agent;
  }

  Object.assign(segment, {
    namespaces,
    steer(to: keyof typeof macOf) {
      inClient(
        `neigh replace ${vip.v4} lladdr ${macOf[to]} dev eth0 nud permanent`,
        `neigh replace ${vip.v6} lladdr ${macOf[to]} dev eth0 nud permanent`,
      );
    },
    sysctl(settings: Record<string, number | string>) {
      const pairs = Object.entries(settings).map(([key, value]) => `${key}=${value}`);
      execFileSync('ip', ['netns', 'exec', namespaces.client, 'sysctl', '-qw', ...pairs]);
    },
    setMtu(mtu: number) {
      inClient(
        `route replace ${vip.v4} dev eth0 mtu ${mtu} advmss ${mtu - 40}`,
        // An IPv6 path carries 1280 bytes at least (RFC 8200 section 5).
        `route replace ${vip.v6} dev eth0 mtu ${Math.max(mtu, 1280)} advmss ${Math.max(mtu, 1280) - 60}`,
      );
    },
    async setRoundTrip(ms: number, lossPercent = 0) {
      const link = { delayMs: ms / 2, lossPercent };
      if (lineFile !== undefined) return writeLinkFile(lineFile, link);
      for (const [namespace, device] of [
        [namespaces.client, 'eth0'],
        [bridge, portOf('client')],
      ] as const)
        await run([
          'tc',
          '-n',
          namespace,
          'qdisc',
          'replace',
          'dev',
          device,
          'root',
          ...netemArguments(link),
        ]);
    },
  });

  const remove = () => {
    // The line's two cards go with their namespaces, and it ends then.
    if (lineFile !== undefined) rmSync(dirname(lineFile), { recursive: true, force: true });
    for (const namespace of all) if (existsSync(`/run/netns/${namespace}`)) ip([`netns delete ${namespace}`]);
  };

  test.serial.before(async () => {
    // A rejection that nobody handles ends the process before its hooks run.
    process.on('exit', remove);
    ip(all.map((namespace) => `netns add ${namespace}`));
    execFileSync('ip', ['-n', bridge, '-batch', '-'], {
      input: 'link add br0 mtu 9000 type bridge\nlink set br0 up',
    });
    if (farClient && !(await hasNetem(bridge))) {
      lineFile = join(mkdtempSync(join(tmpdir(), 'baton-line-')), 'link');
      await startDelayLine(bridge, portOf('client'), 'w-client', {}, lineFile);
    }
    for (const [host, n] of Object.entries(hosts))
      build(
        bridge,
        host as HostName,
        namespaces[host as HostName],
        n,
        host === 'client' && lineFile !== undefined,
      );
    segment.setMtu(1500);
    segment.steer('head');
    segment.client = await start('client', 'client.ts');
    segment.head = await start('head', 'host.ts');
    segment.delivery = await start('delivery', 'host.ts');
  });
  test.serial.beforeEach(() => {
    segment.steer('head');
    segment.setMtu(1500);
    segment.sysctl({
      'net.ipv4.tcp_timestamps': 1,
      'net.ipv4.tcp_sack': 1,
      'net.ipv4.tcp_window_scaling': 1,
      'net.ipv4.tcp_rmem': '4096 131072 6291456',
    });
  });
  test.serial.after.always(async () => {
    await Promise.all(agents.map((agent) => agent.stop()));
    remove();
  });
  return segment;
}

const portOf = (host: HostName) => `p-${host}`;

function build(bridge: string, host: HostName, namespace: string, n: number, hasLine: boolean): void {
  const port = portOf(host);
  const cable = hasLine
    ? `link set w-${host} address ${mac(n)} netns ${namespace} name eth0`
    : `link add ${port} mtu 9000 type veth peer name eth0 mtu 9000 address ${mac(n)} netns ${namespace}`;
  execFileSync('ip', ['-n', bridge, '-batch', '-'], { input: `${cable}\nlink set ${port} master br0 up` });
  const client = `lladdr ${mac(hosts.client)} dev eth0 nud permanent`;
  const raw = `lladdr ${rawHost.mac} dev eth0 nud permanent`;
  const isServer = host !== 'client';
  execFileSync('ip', ['-n', namespace, '-batch', '-'], {
    input: [
      'link set lo up',
      'link set eth0 up',
      `addr add 10.77.0.${n}/24 dev eth0`,
      `addr add fd77::${n}/64 dev eth0 nodad`,
      ...(isServer ? [`addr add ${vip.v4}/32 dev lo`, `addr add ${vip.v6}/128 dev lo nodad`] : []),
      ...(isServer ? [`neigh add 10.77.0.1 ${client}`, `neigh add fd77::1 ${client}`] : []),
      ...(isServer ? [`neigh add ${rawHost.v4} ${raw}`, `neigh add ${rawHost.v6} ${raw}`] : []),
    ].join('\n'),
  });
}

const isRoot = process.getuid!() === 0;

/** A serial test in namespaces: skipped for users who may not make them, unless CI is set; then it runs, and fails. */
export const netTest: (title: string, body: (t: ExecutionContext) => Promise<void>) => void =
  isRoot || process.env.CI !== undefined
    ? (title, body) => test.serial(title, body)
    : (title, body) => test.serial.skip(`${title} (needs root: sudo npx ava test/shared/tcp-repair)`, body);
