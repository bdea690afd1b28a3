import { isIPv4 } from 'node:net';
import { type Card, cardWith } from '../../../shared/host/cards.ts';
import { addCommand, answersForOthers } from '../../../shared/host/direct-return.ts';
import { type Check, type Finding, lacking, ok, type Role, unknown } from '../check.ts';
import { asRoot, type Machine } from '../machine.ts';
import { clientCard } from './head-card.ts';

export const vip: Check = {
  name: 'shared address',
  for: ['head', 'delivery'],
  examine(machine, asked, role) {
    if (asked.vips.length === 0) return unknown('not told: --vip ADDRESS looks at it');
    const card = role === 'head' ? clientCard(machine, asked) : 'lo';
    const findings = asked.vips.map((address) => {
      const speaker = role === 'head' ? speaksFor(address, asked.interface, machine) : undefined;
      return speaker ?? look(address, machine, role, card ?? 'CARD');
    });
    return (
      findings.find(({ outcome }) => outcome !== 'ok') ?? ok(findings.map(({ found }) => found).join(', '))
    );
  },
};

/** A head that is told its card may have the address on `lo`, as long as the card answers for it. */
function speaksFor(address: string, card: string | undefined, machine: Machine): Finding | undefined {
  if (card === undefined || !isIPv4(address) || !cardWith(address, machine.cards)?.loopback) return undefined;
  if (!answersForOthers(card, machine.setting)) return undefined;
  return ok(`${address} is on lo, and ${card} answers for it`);
}

function look(address: string, machine: Machine, role: Role, wanted: string): Finding {
  const card = cardWith(address, machine.cards);
  if (!card) return lacking(`${address} is not on this host`, asRoot(machine, addCommand(address, wanted)));
  const flaw = flawOf(address, card, machine);
  const command = `ip addr del ${address}/${prefixOf(address, card)} dev ${card.name} && ${addCommand(address, wanted)}`;
  if (flaw === 'tentative')
    return lacking(
      `${address} on ${card.name} is tentative: connections cannot be restored yet`,
      'wait a second',
    );
  if (flaw === 'duplicate')
    return lacking(
      `${address} on ${card.name}: another host has it too`,
      role === 'head' ? 'a delivery has it on lo, where nobody asks for it' : asRoot(machine, command),
    );
  if (role === 'head' && card.loopback)
    return lacking(
      `${address} is on ${card.name}, and belongs on the card that clients come through`,
      asRoot(machine, command),
    );
  return ok(`${address} is on ${card.name}`);
}

const prefixOf = (address: string, card: Card): number =>
  card.addresses.find((one) => one.address === address)!.prefix;

/** if_addr.h: flags of an address, the fifth column of /proc/net/if_inet6. */
const TENTATIVE = 0x40;
const DADFAILED = 0x08;

function flawOf(address: string, card: Card, machine: Machine): 'tentative' | 'duplicate' | undefined {
  for (const line of machine.read('/proc/net/if_inet6')?.split('\n') ?? []) {
    const [hex = '', , , , flags = '0', name] = line.trim().split(/\s+/);
    if (name !== card.name || shorten(hex) !== address) continue;
    if (Number.parseInt(flags, 16) & DADFAILED) return 'duplicate';
    if (Number.parseInt(flags, 16) & TENTATIVE) return 'tentative';
  }
  return undefined;
}

/** As the kernel's list of addresses has them -> as people do; a URL's parser shortens them. */
const shorten = (hex: string): string =>
  hex.length === 32 ? new URL(`http://[${hex.match(/..../g)!.join(':')}]`).hostname.slice(1, -1) : '';
