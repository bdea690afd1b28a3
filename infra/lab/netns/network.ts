/**
 * Builds a topology out of network namespaces: one a host, and one with the bridge that joins them, so that nothing of it
 * is in the machine's own. Removes it again by what the kernel knows: no list of processes has to be right.
 */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { BatonError } from '../../../shared/errors.ts';
import { type Cable, directionsOf, type Link } from '../delay/wire.ts';
import { startDialogue } from '../dialogue.ts';
import type { Host } from '../lab.ts';
import { baton, runToEnd, startService } from '../service.ts';
import { ip, run, sysctl } from './command.ts';
import { hasNetem, netemArguments, startDelayLine, writeLinkFile } from './link.ts';
import {
  createRecord,
  keepRecord,
  type LabRecord,
  removeRecord,
  removeStaleLabs,
  removeUnownedLabs,
} from './record.ts';
import { addressOf, type LabHost, type Topology } from './topology.ts';

export interface NetnsHost extends Host {
  readonly namespace: string;
  readonly spec: LabHost;
  /** IPv4. */
  readonly address: string;
  /** Its cable is in, or is pulled: then its card has no carrier. */
  setCable(isIn: boolean): Promise<void>;
}

export interface Network {
  readonly name: string;
  readonly topology: Topology;
  /** For sockets and secrets; only its owner may look inside. Goes with the network. */
  readonly directory: string;
  readonly hosts: readonly NetnsHost[];
  /** Throws LAB_FAILED when there is no such host. */
  host(name: string): NetnsHost;
  /** Ends every process in it and removes it. May be called again. */
  remove(): Promise<void>;
}

/** Nothing here waits for duplicate addresses, routers or spanning trees: the lab is ready when it is built. */
const quiet = {
  'net.ipv6.conf.default.accept_dad': 0,
  'net.ipv6.conf.all.accept_dad': 0,
  'net.ipv6.conf.default.accept_ra': 0,
  'net.ipv6.conf.default.router_solicitations': 0,
};
/** Packets to the VIP arrive from where answers do not go back to: loose (ip-sysctl). */
const looseReversePath = { 'net.ipv4.conf.all.rp_filter': 2, 'net.ipv4.conf.default.rp_filter': 2 };
/** Neither answer ARP for addresses on `lo` nor announce them: the head alone speaks for the VIP. */
const silentVip = { 'net.ipv4.conf.all.arp_ignore': 1, 'net.ipv4.conf.all.arp_announce': 2 };
/**
 * Room for crowds: the kernel looks for a free port one by one, and first among those of one parity, so that a range that is
 * half full costs each connect a millisecond (net/ipv4/inet_hashtables.c, __inet_hash_connect).
 */
const manyPorts = { 'net.ipv4.ip_local_port_range': '1024 65535' };

/** `kept`: it stays when this process ends, until `removeNetworks`. */
export async function buildNetwork(topology: Topology, kept = false): Promise<Network> {
  needRoot();
  await removeStaleLabs(removeNamespaces);
  const record = createRecord();
  const bridge = namespaceOf(record, 'net');
  let netem = false;
  let removing: Promise<void> | undefined;
  const remove = () => {
    removing ??= removeNamespaces(record.name).then(() => removeRecord(record.name));
    return removing;
  };
  try {
    const namespaces = [bridge, ...topology.hosts.map(({ name }) => namespaceOf(record, name))];
    await ip(namespaces.map((namespace) => `netns add ${namespace}`));
    await sysctl(bridge, quiet);
    await ip(['link add br0 type bridge stp_state 0 mcast_snooping 0', 'link set br0 up'], bridge);
    netem = topology.hosts.some(({ link }) => link) && (await hasNetem(bridge));
    for (const host of topology.hosts) await buildHost(record, bridge, topology, host, netem);
    if (kept) keepRecord(record);
  } catch (error) {
    await remove();
    throw error;
  }
  const hosts = topology.hosts.map((spec) => createHost(record, bridge, spec, netem));
  return {
    name: record.name,
    topology,
    directory: record.directory,
    hosts,
    host(name) {
      const found = hosts.find((host) => host.name === name);
      if (!found) throw new BatonError('LAB_FAILED', { problem: `the lab has no host ${name}` });
      return found;
    },
    remove,
  };
}

async function buildHost(
  record: LabRecord,
  bridge: string,
  { vip }: Topology,
  { name, addresses, mac, vip: holds, link }: LabHost,
  netem: boolean,
): Promise<void> {
  const namespace = namespaceOf(record, name);
  const port = portOf(name);
  const place = { answers: {}, moves: {}, silent: silentVip, none: manyPorts }[holds];
  await sysctl(namespace, { ...quiet, ...looseReversePath, ...place });
  if (link && !netem) {
    const far = `w-${name}`;
    await startDelayLine(bridge, port, far, link, linkFile(record, name));
    await ip([`link set ${far} netns ${namespace} name eth0`, `link set ${port} master br0 up`], bridge);
  } else {
    const pair = `link add ${port} type veth peer name eth0 netns ${namespace}`;
    await ip([pair, `link set ${port} master br0 up`], bridge);
  }
  const cards = { answers: ['eth0'], moves: [], silent: ['lo'], none: [] }[holds];
  await ip(
    [
      'link set lo up',
      `link set eth0 address ${mac} up`,
      ...addresses.map((address) => `addr add ${address} dev eth0`),
      ...cards.flatMap((dev) => [`addr add ${vip.v4}/32 dev ${dev}`, `addr add ${vip.v6}/128 dev ${dev}`]),
    ],
    namespace,
  );
  if (link && netem) await applyCable(link, [bridge, port], [namespace, 'eth0']);
}

type End = readonly [namespace: string, dev: string];

/** What leaves the bridge's end comes to the host. */
async function applyCable(cable: Cable, bridge: End, host: End): Promise<void> {
  const directions = directionsOf(cable);
  await applyNetem(directions.in, bridge);
  await applyNetem(directions.out, host);
}

const applyNetem = (link: Link, [namespace, dev]: End) =>
  run(['tc', '-n', namespace, 'qdisc', 'replace', 'dev', dev, 'root', ...netemArguments(link)]);

const namespaceOf = (record: LabRecord, host: string) => `${record.name}-${host}`;
/** The card that a host's cable has at the bridge. */
const portOf = (host: string) => `p-${host}`;
const linkFile = (record: LabRecord, host: string) => join(record.directory, `${host}.link`);

function createHost(record: LabRecord, bridge: string, spec: LabHost, netem: boolean): NetnsHost {
  const namespace = namespaceOf(record, spec.name);
  // `ip` replaces itself by the command, so that signals reach it.
  const inside = (command: readonly string[]) => ['ip', 'netns', 'exec', namespace, ...command];
  return {
    name: spec.name,
    namespace,
    spec,
    address: addressOf(spec),
    baton,
    async setLink(link) {
      if (!spec.link) {
        const problem = `the cable of ${spec.name} was built as a plain one; give it a link when the lab is started`;
        throw new BatonError('LAB_FAILED', { problem });
      }
      if (netem) await applyCable(link, [bridge, portOf(spec.name)], [namespace, 'eth0']);
      else writeLinkFile(linkFile(record, spec.name), link);
    },
    async setCable(isIn) {
      await ip([`link set ${portOf(spec.name)} ${isIn ? 'up' : 'down'}`], bridge);
    },
    run: (command, options) => runToEnd(inside(command), options),
    start: (command) => startService(inside(command)),
    converse: (command, onLine) => startDialogue(inside(command), onLine),
  };
}

/** Removes networks that were built to be kept, and what crashed labs have left; their names. */
export function removeNetworks(): Promise<string[]> {
  needRoot();
  return removeUnownedLabs(removeNamespaces);
}

function needRoot(): void {
  if (process.getuid!() === 0) return;
  const problem = `this is user ${process.getuid!()}`;
  throw new BatonError('NO_PRIVILEGE', { what: 'the netns lab', capability: 'root', problem });
}

/** Removes all namespaces of a lab with what runs in them: it is the lab's, whoever started it. */
async function removeNamespaces(lab: string): Promise<void> {
  const all = (await run(['ip', 'netns', 'list'])).split('\n').map((line) => line.split(' ')[0]!);
  const ours = all.filter((name) => name.startsWith(`${lab}-`));
  await Promise.all(ours.map(endProcesses));
  for (const namespace of ours) {
    // Another `up` may be cleaning the same crashed lab.
    await run(['ip', 'netns', 'delete', namespace]).catch(() => {});
  }
}

const ENDING_MS = 5000;

async function endProcesses(namespace: string): Promise<void> {
  const deadline = performance.now() + ENDING_MS;
  for (;;) {
    const listed = await run(['ip', 'netns', 'pids', namespace]).catch(() => '');
    const pids = listed.split('\n').filter((line) => line !== '');
    if (pids.length === 0 || performance.now() > deadline) return;
    for (const pid of pids) {
      try {
        process.kill(Number(pid), 'SIGKILL');
      } catch {
        // It has ended meanwhile.
      }
    }
    await delay(10);
  }
}
