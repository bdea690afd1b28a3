import { type Check, lacking, ok, unknown } from '../check.ts';
import { asRoot, inScratchNetwork } from '../machine.ts';

/** The least program: it lets everything pass (BPF_RET 0). */
const attach = 'tc filter add dev lo ingress bpf bytecode "1,6 0 0 0,"';

export const clsact: Check = {
  name: 'tc clsact',
  for: ['head'],
  async examine(machine) {
    const script = `tc qdisc add dev lo clsact && ${attach}`;
    const tried = await machine.run('unshare', ...inScratchNetwork(machine), 'sh', '-c', script);
    if (tried.ok) return ok('the kernel has clsact and cls_bpf');
    if (!/unknown|not found|No such file/i.test(tried.problem) || /unshare/.test(tried.problem))
      return unknown(`could not be tried (${tried.problem})`);
    return lacking(
      `the kernel has no clsact or cls_bpf (${tried.problem})`,
      asRoot(machine, 'modprobe sch_ingress && modprobe cls_bpf'),
    );
  },
};
