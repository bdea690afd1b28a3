import { exposure } from '../../../shared/host/direct-return.ts';
import { type Check, lacking, ok } from '../check.ts';
import { asRoot } from '../machine.ts';

export const silence: Check = {
  name: 'ARP',
  for: ['delivery'],
  examine(machine, asked) {
    if (asked.vips.length === 0) return undefined;
    const trouble = exposure(asked.vips, machine.cards, machine.setting);
    if (trouble) return lacking(trouble.found, asRoot(machine, trouble.fix));
    return ok('only the head answers for the shared address');
  },
};
