/** Finding the network card of a delivery's host: steered packets are addressed to it directly, past any router. */
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { BatonError } from '../../shared/errors.ts';
import { interfaceIndex } from '../../shared/sys/network-events.ts';
import type { NextHop } from './flow.ts';
import { findInterface, listJson, tryTool } from './iproute.ts';

interface Route {
  readonly type?: string;
  readonly dev: string;
  readonly gateway?: string;
  readonly via?: { readonly host: string };
}

interface Neighbour {
  readonly lladdr?: string;
  readonly state: readonly string[];
}

/** The kernel asks three times, a second apart (mcast_solicit and retrans_time_ms, arp(7)). */
const RESOLVE_MS = 3500;
const ASK_EVERY_MS = 20;
/** Discard (RFC 863): whoever listens there throws it away. */
const DISCARD_PORT = 9;
const confirmed = ['REACHABLE', 'PERMANENT', 'NOARP'];
const known = ['REACHABLE', 'STALE', 'DELAY', 'PROBE', 'PERMANENT', 'NOARP'];

/** How to reach `address` (numeric) at layer 2. Throws NOT_ON_SEGMENT when it is this host, behind a router, or silent. */
export async function resolveNextHop(address: string, withinMs = RESOLVE_MS): Promise<NextHop> {
  const near = findNear(address);
  if (near) return near;
  const refuse = (problem: string) => new BatonError('NOT_ON_SEGMENT', { address, problem });
  const asked = await tryTool('ip', ['-json', 'route', 'get', address]);
  if (asked.failed) throw refuse(`no route (${asked.problem})`);
  const [route] = JSON.parse(asked.stdout) as Route[];
  if (!route) throw refuse('no route');
  if (route.type === 'local' || route.dev === 'lo') throw refuse('it is an address of this host');
  const gateway = route.gateway ?? route.via?.host;
  if (gateway !== undefined) throw refuse(`it is behind the router ${gateway}`);

  // Both are asked at once: a delivery waits for it.
  const lookUp = () => listJson<Neighbour>('ip', 'neigh', 'show', 'to', address, 'dev', route.dev);
  const [{ ifindex, mac: sourceMac, name }, first] = await Promise.all([findInterface(route.dev), lookUp()]);
  const deadline = performance.now() + withinMs;
  for (let provoked = false; ; provoked = true) {
    const [neighbour] = provoked ? await lookUp() : first;
    if (neighbour?.lladdr && neighbour.state.some((state) => known.includes(state)))
      return { mac: neighbour.lladdr, ifindex, sourceMac };
    if (performance.now() > deadline || (provoked && neighbour?.state.includes('FAILED')))
      throw refuse(`nobody on ${name} answers for it`);
    if (!provoked) await provoke(address);
    await delay(ASK_EVERY_MS);
  }
}

/**
 * From the kernel's table of IPv4 neighbours, which has a delivery's host as soon as a packet of it has been answered: no
 * other program has to run for it, while a delivery waits to be registered.
 */
function findNear(address: string): NextHop | undefined {
  if (isIPv6(address)) return undefined;
  const line = readTable('arp').find((fields) => fields[0] === address);
  if (!line) return undefined;
  // One that was a neighbour before a router came between is in the table still.
  if (!isNextTo(address, line[5]!)) return undefined;
  // IP address, hardware type, flags, hardware address, mask, device (proc(5), /proc/net/arp).
  const [, , flags, mac, , name] = line;
  const sourceMac = networkInterfaces()[name!]?.[0]?.mac;
  const ifindex = interfaceIndex(name!);
  if ((Number(flags) & COMPLETE) === 0 || sourceMac === undefined || ifindex === 0) return undefined;
  return { mac: mac!, ifindex, sourceMac };
}

/** ATF_COM (linux/if_arp.h). */
const COMPLETE = 0x2;

/** RTF_UP and RTF_GATEWAY (linux/route.h). */
const UP = 0x1;
const GATEWAY = 0x2;

/** Whether packets to this IPv4 address leave through that card for the host itself, by the kernel's main table of routes. */
function isNextTo(address: string, name: string): boolean {
  const number = Buffer.from(address.split('.').map(Number)).readUInt32LE();
  // Device, destination, gateway, flags, counts, metric and mask; addresses as the bytes lie in memory (proc(5)).
  const routes = readTable('route')
    .map(([device, to, , flags, , , metric, mask]) => ({
      device,
      to: Number.parseInt(to!, 16),
      flags: Number.parseInt(flags!, 16),
      metric: Number(metric),
      mask: Number.parseInt(mask!, 16),
    }))
    .filter(({ to, flags, mask }) => (flags & UP) !== 0 && (number & mask) >>> 0 === to);
  // The longest prefix, and of those the least metric.
  const width = (mask: number) => mask.toString(2).replaceAll('0', '').length;
  const [best] = routes.sort((a, b) => width(b.mask) - width(a.mask) || a.metric - b.metric);
  return best?.device === name && (best.flags & GATEWAY) === 0;
}

/** Lines of a table of this thread's network namespace, without its heading. */
function readTable(table: 'arp' | 'route'): string[][] {
  try {
    const lines = readFileSync(`/proc/thread-self/net/${table}`, 'latin1').trimEnd().split('\n').slice(1);
    return lines.map((line) => line.trim().split(/\s+/));
  } catch {
    return [];
  }
}

/** As long as the kernel takes to find that a neighbour which it knew does not answer any more, and a little (arp(7)). */
const PROBE_MS = 12_000;
const LOOK_EVERY_MS = 250;

/** Whether a host of the segment answers for its address right now, by asking it. */
export async function answersNow(address: string, withinMs = PROBE_MS): Promise<boolean> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    await provoke(address);
    await delay(LOOK_EVERY_MS);
    const found = await listJson<Neighbour>('ip', 'neigh', 'show', 'to', address);
    if (found.some(({ state }) => state.some((one) => confirmed.includes(one)))) return true;
    // Reachable no more: what was known is asked for, three times, before it is given up.
    if (performance.now() > deadline || found.every(({ state }) => state.includes('FAILED'))) return false;
  }
}

/** The address of the neighbour with this MAC address; undefined when the kernel knows none. */
export async function neighbourWith(mac: string): Promise<string | undefined> {
  const found = await listJson<Neighbour & { dst: string }>('ip', 'neigh', 'show');
  return found.find(({ lladdr }) => lladdr === mac)?.dst;
}

/** Any packet makes the kernel look for its neighbour; what becomes of the packet does not matter. */
function provoke(address: string): Promise<void> {
  return new Promise((resolve) => {
    const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
    socket.once('error', () => socket.close(() => resolve()));
    socket.send('', DISCARD_PORT, address, () => socket.close(() => resolve()));
  });
}
