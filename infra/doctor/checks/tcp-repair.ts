import { type Check, lacking, ok, unknown } from '../check.ts';

export const tcpRepair: Check = {
  name: 'TCP_REPAIR',
  for: ['head', 'delivery'],
  async examine(machine, _asked, role) {
    const answer = await machine.canRepair();
    if (answer === true) return ok('connections can be frozen and restored');
    if (answer.code === 'no-kernel-support') return lacking(answer.problem, 'boot a kernel that has it');
    if (answer.code !== 'no-privilege') return lacking(answer.problem);
    // Root of a user namespace has the capability, but not over a network namespace of others.
    if (machine.uid === 0)
      return lacking(
        'refused to root: this network namespace belongs to another user namespace, or CAP_NET_ADMIN was dropped',
        `start the container with its own network and CAP_NET_ADMIN, or run baton ${role} on the host`,
      );
    return unknown('only root can try it');
  },
};
