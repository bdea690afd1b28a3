import { strictReversePath } from '../../../shared/host/direct-return.ts';
import { type Check, ok, warning } from '../check.ts';
import { asRoot } from '../machine.ts';

export const reversePath: Check = {
  name: 'reverse path',
  for: ['head', 'delivery'],
  examine(machine) {
    const trouble = strictReversePath(machine.cards, machine.setting);
    return trouble ? warning(trouble.found, asRoot(machine, trouble.fix)) : ok('not strict (rp_filter)');
  },
};
