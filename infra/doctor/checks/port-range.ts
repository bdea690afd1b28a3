import { setCommand } from '../../../shared/host/cards.ts';
import { type Check, ok, unknown, warning } from '../check.ts';
import { asRoot } from '../machine.ts';

const setting = 'net/ipv4/ip_local_port_range';
/** Linux's own 32768 to 60999. */
const USUAL = 28_232;

export const portRange: Check = {
  name: 'local ports',
  for: ['lab'],
  examine(machine) {
    const [first = 0, last = 0] = (machine.read(`/proc/sys/${setting}`) ?? '').split(/\s+/).map(Number);
    if (last === 0) return unknown(`the kernel does not show ${setting}`);
    const count = last - first + 1;
    const found = `${first} to ${last}: ${count} connections at once from one client to one address`;
    if (count >= USUAL) return ok(found);
    return warning(found, asRoot(machine, setCommand({ [setting]: '1024 65535' })));
  },
};
