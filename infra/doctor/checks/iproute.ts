import { type Check, lacking, ok, warning } from '../check.ts';
import { asRoot } from '../machine.ts';

export const iproute: Check = {
  name: 'ip and tc',
  for: ['head', 'lab'],
  examine(machine, _asked, role) {
    const missing = ['ip', 'tc'].filter((tool) => !machine.has(tool));
    if (missing.length === 0) return ok('installed');
    // The loopback lab does without.
    const verdict = role === 'head' ? lacking : warning;
    return verdict(`${missing.join(' and ')} not found`, asRoot(machine, 'apt-get install iproute2'));
  },
};
