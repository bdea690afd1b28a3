import { type Check, lacking, ok, unknown } from '../check.ts';

export const steeringProgram: Check = {
  name: 'bpf(2)',
  for: ['head'],
  async examine(machine) {
    const answer = await machine.canSteer();
    if (answer === true) return ok('the kernel takes the steering program and its table');
    if (answer.code !== 'NO_PRIVILEGE')
      return lacking(answer.problem, 'boot a kernel with CONFIG_BPF_SYSCALL');
    if (machine.uid === 0)
      return lacking(`refused to root: ${answer.problem}`, 'run the head outside of the container');
    return unknown('only root can try it');
  },
};
