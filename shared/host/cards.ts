/** The network cards of this host, and its settings for them. */
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';

interface Address {
  readonly address: string;
  /** Bits. */
  readonly prefix: number;
}

export interface Card {
  readonly name: string;
  readonly loopback: boolean;
  /** It asks and answers who has an address; loopback, dummies and most tunnels do not. */
  readonly resolves: boolean;
  readonly addresses: readonly Address[];
}

/** netdevice(7). */
const IFF_NOARP = 0x80;

/** Those that are up and have an address. */
export function readCards(): Card[] {
  return Object.entries(networkInterfaces()).map(([name, found = []]) => {
    const loopback = found.some(({ internal }) => internal);
    // A sysfs of another namespace may not know it: then it is taken for a card like most.
    const flags = Number(readText(`/sys/class/net/${name}/flags`) ?? 0);
    return {
      name,
      loopback,
      resolves: !loopback && (flags & IFF_NOARP) === 0,
      addresses: found.map(({ address, cidr }) => ({ address, prefix: Number(cidr?.split('/')[1]) })),
    };
  });
}

/** The card that has an address. */
export const cardWith = (address: string, cards: readonly Card[]): Card | undefined =>
  cards.find(({ addresses }) => addresses.some((one) => one.address === address));

/** A number below /proc/sys, `net/ipv4/conf/all/rp_filter`; undefined where the kernel does not show it. */
export type ReadSetting = (name: string) => number | undefined;

export const readSetting: ReadSetting = (name) => {
  const text = readText(`/proc/sys/${name}`);
  return text === undefined ? undefined : Number(text);
};

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

/** The command that changes settings, by sysctl(8). A card's name may have a dot, and then slashes part the names. */
export function setCommand(settings: Readonly<Record<string, number | string>>): string {
  const pairs = Object.entries(settings).map(([name, value]) => {
    const key = name.includes('.') ? name : name.replaceAll('/', '.');
    return `${key}=${typeof value === 'string' ? `"${value}"` : value}`;
  });
  return `sysctl -w ${pairs.join(' ')}`;
}
