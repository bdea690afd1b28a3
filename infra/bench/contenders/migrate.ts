/** Hosts of their own, as network namespaces: a client, a head and two deliveries, which everybody here shares (root). */
import { readFile } from 'node:fs/promises';
import { formatHostPort } from '../../../shared/units.ts';
import { type NetnsLab, startNetnsLab } from '../../lab/netns.ts';
import type { Contender, Running } from '../contender.ts';
import type { Stage } from '../stage.ts';
import { backendOf, startHaproxy } from './haproxy.ts';

const PROXY_PORT = 8081;

const labs = new WeakMap<Stage, Promise<NetnsLab>>();

async function startLab(stage: Stage): Promise<NetnsLab> {
  const lab = await startNetnsLab({
    mode: 'handoff',
    deliveries: 2,
    headArguments: ['--workers', '1'],
  });
  stage.onClose(() => lab.stop());
  return lab;
}

/** The same for all that ask for it on a stage; it ends with the stage. */
export function labOf(stage: Stage): Promise<NetnsLab> {
  const lab = labs.get(stage) ?? startLab(stage);
  labs.set(stage, lab);
  return lab;
}

/** A command in the namespace of a host. */
const inside = (lab: NetnsLab, host: string) => ['ip', 'netns', 'exec', lab.network.host(host).namespace];

/** What every contender here has in common: its servers, its clients, and the head's network card. */
function common(lab: NetnsLab): Pick<Running, 'others' | 'from' | 'wireBytes'> {
  return {
    others: lab.deliveries.map(({ pid }) => pid),
    from: inside(lab, 'client'),
    async wireBytes() {
      // The namespace of the process is the host of the head, whoever serves there.
      const table = await readFile(`/proc/${lab.head.pid}/net/dev`, 'utf8');
      const fields = /eth0:\s*(.*)/.exec(table)![1]!.split(/\s+/).map(Number);
      return fields[0]! + fields[8]!;
    },
  };
}

export const batonMigrate: Contender = {
  name: 'baton',
  about: 'baton head --mode handoff, 1 worker, and 2 baton deliveries on other hosts: connections migrate',
  async start(stage) {
    const lab = await labOf(stage);
    const { listen, pid } = lab.head;
    return { subject: pid, address: listen, ...common(lab) };
  },
};

export const haproxyHosts: Contender = {
  name: 'haproxy',
  about: 'HAProxy, 1 thread, on the host of the head, as a reverse proxy before the same 2 Node servers',
  async start(stage) {
    const lab = await labOf(stage);
    const backend = backendOf(lab.deliveries.map(({ direct }) => ({ address: direct })));
    const address = formatHostPort({ host: lab.network.topology.vip.v4, port: PROXY_PORT });
    const place = { address, from: inside(lab, 'head') };
    const { pid } = await startHaproxy(stage, 'haproxy-hosts', 'default_backend nodes', backend, place);
    return { subject: pid, address, ...common(lab) };
  },
};
