import { setCommand } from '../../../shared/host/cards.ts';
import { type Check, ok, warning } from '../check.ts';
import { asRoot } from '../machine.ts';

const setting = 'net/ipv4/tcp_ecn';

export const ecn: Check = {
  name: 'ECN',
  for: ['head'],
  examine(machine) {
    const value = machine.setting(setting);
    if (value === 0 || value === undefined) return ok('not negotiated');
    return warning(
      `clients may negotiate it (tcp_ecn ${value}), and a connection loses it when it moves`,
      asRoot(machine, setCommand({ [setting]: 0 })),
    );
  },
};
