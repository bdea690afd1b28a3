/** How each kind of fault comes about and is mended. */
import { existsSync, readdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Mode } from '../../shared/status.ts';
import type { Host, Lab, Service } from '../lab/lab.ts';
import { runTool } from '../processes/tool.ts';
import type { Entry } from './schedule.ts';

/** What happened, and when: milliseconds since 1970. */
export interface Happened extends Omit<Entry, 'kind'> {
  /** `cookiesFailed` nobody has done: the kernel has refused connections whose SYN it had answered by a cookie. */
  readonly kind: Entry['kind'] | 'cookiesFailed';
  /** It was begun, and had come about; it was to be mended, and was. */
  readonly from: number;
  readonly begun: number;
  readonly until: number;
  readonly mended: number;
  /** The process that it was of, 0 for none. */
  readonly pid: number;
  /** When that had gone, if it was killed or told to stop. */
  readonly gone?: number;
}

export interface Client {
  readonly name: string;
  readonly service: Service;
  restart(): Promise<Client>;
}

/** What faults are of. */
export interface World {
  readonly lab: Lab;
  readonly clients: Map<string, Client>;
  /** Of a cable. */
  host(name: string): Host;
}

interface Broken {
  begin(): Promise<unknown>;
  end(): Promise<unknown>;
  readonly pid: number;
}

const nothing = async () => {};

export async function inflict(entry: Entry, world: World, signal: AbortSignal): Promise<Happened> {
  const broken = make(entry, world);
  const { pid } = broken;
  const from = Date.now();
  const leaving = entry.kind === 'kill' || entry.kind === 'stop' ? untilGone(pid) : undefined;
  await broken.begin();
  const begun = Date.now();
  const gone = await leaving;
  await delay(entry.lasts, undefined, { signal }).catch(() => {});
  const until = Date.now();
  await broken.end();
  return { ...entry, from, begun, until, mended: Date.now(), pid, ...(gone === undefined ? {} : { gone }) };
}

async function untilGone(pid: number): Promise<number> {
  while (existsSync(`/proc/${pid}`)) await delay(20);
  return Date.now();
}

function make(entry: Entry, { lab, clients, host }: World): Broken {
  const { kind, target } = entry;
  if (kind === 'mode')
    return { pid: 0, begin: () => lab.head.setMode(target as Mode), end: () => lab.head.setMode('handoff') };
  if (kind === 'linkDown' || kind === 'linkBad') {
    const link = kind === 'linkDown' ? { lossPercent: 100 } : (entry.link ?? {});
    return { pid: 0, begin: () => host(target).setLink(link), end: () => host(target).setLink({}) };
  }
  if (target === 'head') return ofHead(entry, lab);
  const client = clients.get(target);
  if (client) return ofClient(kind, client, clients);
  return ofDelivery(kind, lab, target);
}

function ofHead({ kind, policy }: Entry, { head }: Lab): Broken {
  const { pid } = head;
  const more = policy === undefined ? [] : ['--policy', policy];
  if (kind === 'freeze') return { pid, begin: () => head.freeze(), end: () => head.resume() };
  if (kind === 'fewFiles') return fewFiles(pid);
  return { pid, begin: () => head.restart(kind === 'kill' ? 'kill' : 'stop', { more }), end: nothing };
}

function ofClient(
  kind: Entry['kind'],
  { name, service, restart }: Client,
  clients: World['clients'],
): Broken {
  const { pid } = service;
  if (kind === 'freeze') return { pid, begin: () => service.freeze(), end: () => service.resume() };
  return {
    pid,
    begin: () => service.kill(),
    end: async () => void clients.set(name, await restart()),
  };
}

function ofDelivery(kind: Entry['kind'], lab: Lab, target: string): Broken {
  const delivery = lab.deliveries.find(({ name }) => name === target)!;
  const { pid } = delivery;
  if (kind === 'freeze') return { pid, begin: () => delivery.freeze(), end: () => delivery.resume() };
  if (kind === 'fewFiles') return fewFiles(pid);
  if (kind === 'drain')
    return {
      pid,
      begin: () => untilRegistered(lab, target).then(() => lab.head.drain(target, true)),
      end: () => lab.head.drain(target, false),
    };
  return {
    pid,
    begin: () => (kind === 'kill' ? delivery.kill() : delivery.stop()),
    end: () => delivery.restart(),
  };
}

const KNOWN_WITHIN_MS = 15_000;

/** A head that has just started does not know it yet, nor one whose cable is down. */
async function untilRegistered({ head }: Lab, name: string): Promise<void> {
  const isKnown = async () => (await head.status()).deliveries.some((each) => each.name === name);
  const deadline = Date.now() + KNOWN_WITHIN_MS;
  while (Date.now() < deadline && !(await isKnown())) await delay(50);
}

/** It may open hardly a file more than it has. */
function fewFiles(pid: number): Broken {
  let before = '';
  const limit = async (soft: string) => {
    await runTool(['prlimit', '--pid', String(pid), `--nofile=${soft}:`], 'util-linux');
  };
  return {
    pid,
    async begin() {
      const args = ['prlimit', '--pid', String(pid), '--nofile', '--output=SOFT', '--noheadings'] as const;
      before = (await runTool([...args], 'util-linux')).stdout.trim();
      const open = readdirSync(`/proc/${pid}/fd`).map(Number);
      await limit(String(Math.max(...open) + 2));
    },
    end: () => limit(before),
  };
}
