import { type Check, ok, unknown, warning } from '../check.ts';
import { asRoot, inScratchNetwork } from '../machine.ts';

export const netem: Check = {
  name: 'slow cables',
  for: ['lab'],
  async examine(machine) {
    const command = ['tc', 'qdisc', 'add', 'dev', 'lo', 'root', 'netem', 'delay', '1ms'];
    const tried = await machine.run('unshare', ...inScratchNetwork(machine), ...command);
    if (tried.ok) return ok('by netem');
    if (!/unknown/i.test(tried.problem)) return unknown(`netem could not be tried (${tried.problem})`);
    if (machine.has('/dev/net/tun')) return ok("by the lab's own delay line: the kernel has no netem");
    return warning(
      'neither netem nor /dev/net/tun: every cable of a lab is as quick as it gets',
      asRoot(machine, 'modprobe tun'),
    );
  },
};
