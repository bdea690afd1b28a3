/** The netns lab's hosts and addresses: data, which network.ts builds. */
import type { Cable } from '../delay/wire.ts';
import { namesOf, type Wanted } from '../wanted.ts';

export interface LabHost {
  /** At most 10 characters: network cards are called after it (IFNAMSIZ is 16). */
  readonly name: string;
  /** Addresses with their prefix lengths, on `eth0`. */
  readonly addresses: readonly string[];
  readonly mac: string;
  /**
   * The shared addresses: `answers` for the head, which speaks for them on the network; `moves` for one of two heads, between
   * which keepalived moves them; `silent` for hosts that accept their packets without telling anybody, on `lo` (direct server
   * return); `none` for others.
   */
  readonly vip: 'answers' | 'moves' | 'silent' | 'none';
  /** What its cable does to what passes, both ways; nothing when it is left out. */
  readonly link?: Cable | undefined;
}

export interface Topology {
  /** Without prefix lengths. */
  readonly vip: { readonly v4: string; readonly v6: string };
  readonly hosts: readonly LabHost[];
}

/** By host name: `client`, `head`, `head2`, `d1`, `d2`, ... */
export type Links = Readonly<Record<string, Cable>>;

/** All on one segment; d1 is 10.77.0.11 and fd77::11. Each lab is a world of its own, so they all look like this. */
export function labTopology(deliveries: Wanted, links: Links = {}, heads: 1 | 2 = 1): Topology {
  const host = (name: string, number: number, vip: LabHost['vip']): LabHost => ({
    name,
    addresses: [`10.77.0.${number}/24`, `fd77::${number}/64`],
    mac: `02:ba:70:00:00:${number.toString().padStart(2, '0')}`,
    vip,
    link: links[name],
  });
  return {
    vip: { v4: '10.77.0.100', v6: 'fd77::100' },
    hosts: [
      host('client', 1, 'none'),
      ...(heads === 1 ? [host('head', 2, 'answers')] : [host('head', 2, 'moves'), host('head2', 3, 'moves')]),
      ...namesOf(deliveries).map((name, index) => host(name, 11 + index, 'silent')),
    ],
  };
}

/** A host's first address, IPv4, without its prefix length. */
export const addressOf = (host: LabHost): string => host.addresses[0]!.split('/')[0]!;
