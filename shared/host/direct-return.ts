/**
 * What a host must be like to answer for an address that another host speaks for (direct server return): it has the
 * address and tells nobody, and it takes packets that were not routed to it. Decided from what was read; ip-sysctl in the
 * kernel's documentation says what the settings mean.
 */
import { isIPv4 } from 'node:net';
import { type Card, cardWith, type ReadSetting, setCommand } from './cards.ts';

export interface Trouble {
  /** One line for a person. */
  readonly found: string;
  /** The command that fixes it, or in words what to do where no command can. */
  readonly fix: string;
}

const ownPrefix = (vip: string): number => (isIPv4(vip) ? 32 : 128);
export const addCommand = (vip: string, card: string): string =>
  `ip addr add ${vip}/${ownPrefix(vip)} dev ${card}`;

const HERE = 'net/ipv4/conf';

/** The kernel uses the greater of `all` and the card's own. */
const inForce = (read: ReadSetting, card: string, setting: string): number =>
  Math.max(read(`${HERE}/all/${setting}`) ?? 0, read(`${HERE}/${card}/${setting}`) ?? 0);

/** arp_ignore that keeps a card from answering for an address of another one (arp_ignore() in net/ipv4/arp.c). */
const SILENT = [1, 2, 8];
/** Whether a card answers ARP for an IPv4 address that another card of this host has. */
export const answersForOthers = (card: string, read: ReadSetting): boolean =>
  !SILENT.includes(inForce(read, card, 'arp_ignore'));
/** arp_announce that keeps a card from asking in the name of an address of another one. */
const UNANNOUNCED = 2;

/** Why others would learn that a shared address is here, and not at the head. */
export function exposure(
  vips: readonly string[],
  cards: readonly Card[],
  read: ReadSetting,
): Trouble | undefined {
  for (const vip of vips) {
    const card = cardWith(vip, cards);
    if (!card?.resolves) continue;
    const { prefix } = card.addresses.find(({ address }) => address === vip)!;
    const move = `ip addr del ${vip}/${prefix} dev ${card.name} && ${addCommand(vip, 'lo')}`;
    return { found: `${vip} is on ${card.name}, which answers for it as the head does`, fix: move };
  }
  // Neighbour discovery answers for the card's own addresses only: IPv6 needs no setting.
  const hidden = vips.filter((vip) => isIPv4(vip));
  if (hidden.length === 0) return undefined;
  const resolving = cards.filter(({ resolves }) => resolves).map(({ name }) => name);
  const answering = resolving.filter((card) => answersForOthers(card, read));
  const announcing = resolving.filter((card) => inForce(read, card, 'arp_announce') !== UNANNOUNCED);
  const found = [
    ...answering.map(
      (card) => `${card} answers ARP for it (arp_ignore ${inForce(read, card, 'arp_ignore')})`,
    ),
    ...announcing.map(
      (card) => `${card} asks in its name (arp_announce ${inForce(read, card, 'arp_announce')})`,
    ),
  ];
  if (found.length === 0) return undefined;
  const fix = setCommand({
    ...settingFor('arp_ignore', 1, answering, read),
    ...settingFor('arp_announce', UNANNOUNCED, announcing, read),
  });
  return { found: `${hidden.join(' and ')}: ${found.join(', ')}`, fix };
}

/** For all, and for each card that has a greater value of its own. */
function settingFor(
  setting: string,
  value: number,
  cards: readonly string[],
  read: ReadSetting,
): Record<string, number> {
  if (cards.length === 0) return {};
  const own = cards.filter((card) => (read(`${HERE}/${card}/${setting}`) ?? 0) > value);
  return Object.fromEntries(['all', ...own].map((where) => [`${HERE}/${where}/${setting}`, value]));
}

const STRICT = 1;
const LOOSE = 2;

/** Why packets of clients could be dropped as if they had come the wrong way (rp_filter, RFC 3704). */
export function strictReversePath(cards: readonly Card[], read: ReadSetting): Trouble | undefined {
  const strict = cards
    .filter(({ loopback }) => !loopback)
    .map(({ name }) => name)
    .filter((card) => inForce(read, card, 'rp_filter') === STRICT);
  if (strict.length === 0) return undefined;
  return {
    found: `strict on ${strict.join(', ')} (rp_filter 1): drops packets of clients to whom answers leave by another card`,
    fix: setCommand({ [`${HERE}/all/rp_filter`]: LOOSE }),
  };
}
