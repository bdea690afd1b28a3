/** Where chaos may happen: hosts in namespaces, one host, or hosts of which two are heads that share an address. */

import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { policyNames } from '../../head/choose/index.ts';
import { BatonError } from '../../shared/errors.ts';
import { headNames } from '../lab/heads.ts';
import type { Lab } from '../lab/lab.ts';
import { startLoopbackLab } from '../lab/loopback.ts';
import { type NetnsLab, startNetnsLab } from '../lab/netns.ts';
import { areClocksThere } from './clocks.ts';
import type { Places } from './kinds/kind.ts';
import { isLocal } from './records.ts';
import type { Schedule } from './schedule.ts';

export const kinds = ['netns', 'loopback', 'two-heads'] as const;
export type ChaosKind = (typeof kinds)[number];

export const program = (name: string) =>
  fileURLToPath(new URL(`./${name}${extname(import.meta.url)}`, import.meta.url));

export const clients = ['c1', 'c2'];

const places: Readonly<Record<ChaosKind, Pick<Places, 'heads' | 'deliveries' | 'cables' | 'plugs'>>> = {
  netns: {
    heads: headNames(1),
    deliveries: ['d1', 'd2', 'l1', 'l2'],
    cables: ['client', 'head', 'd1', 'd2'],
    plugs: [],
  },
  loopback: { heads: headNames(1), deliveries: ['l1', 'l2', 'l3'], cables: [], plugs: [] },
  // One delivery is on the host of the first head, and none of the second's.
  'two-heads': {
    heads: headNames(2),
    deliveries: ['d1', 'd2', 'd3', 'l1'],
    cables: [],
    plugs: [...headNames(2), 'd1', 'd2', 'd3'],
  },
};

export const placesOf = (on: ChaosKind): Places => ({
  ...places[on],
  clients,
  policies: policyNames,
  clocks: areClocksThere(),
});

export type ChaosLab = Lab & Partial<Pick<NetnsLab, 'network'>>;

export async function startLab(on: ChaosKind, schedule: Schedule): Promise<ChaosLab> {
  const { cables, heads, deliveries } = placesOf(on);
  const local = deliveries.filter(isLocal).length;
  const wanted = {
    mode: 'handoff',
    local,
    headArguments: schedule.head,
    deliveryArguments: ['--app', program('app'), ...schedule.delivery],
  } as const;
  if (on === 'loopback') return startLoopbackLab({ ...wanted, deliveries: 0 });
  const links = Object.fromEntries(cables.map((name) => [name, {}]));
  return startNetnsLab({
    ...wanted,
    ...(heads.length === 2 && { heads: 2 }),
    deliveries: deliveries.length - local,
    links,
  });
}

/** A delay line that has ended took its host's card along: what happened then says nothing about Baton. */
export async function needCards({ network }: ChaosLab): Promise<void> {
  for (const host of network?.hosts ?? []) {
    const there = await host.run(['sh', '-c', 'test -e /sys/class/net/eth0 && echo yes || echo no']);
    if (there.trim() !== 'yes')
      throw new BatonError('LAB_FAILED', { problem: `the lab's own cable of ${host.name} is gone` });
  }
}
