import { type Check, lacking, ok, unknown } from '../check.ts';

const where = '/sys/fs/bpf';

export const bpffs: Check = {
  name: 'BPF file system',
  for: ['head'],
  async examine(machine) {
    if (await machine.hasBpffs()) return ok(`mounted at ${where}`);
    if (machine.uid !== 0) return unknown(`not mounted at ${where}; only root can try to`);
    // In a mount namespace of its own: gone with the command.
    const tried = await machine.run('unshare', '--mount', 'mount', '-t', 'bpf', 'bpf', where);
    if (tried.ok) return ok(`not mounted; a head mounts it at ${where}`);
    return lacking(
      `none at ${where}, and none can be mounted: ${tried.problem}`,
      `mount -t bpf bpf ${where}`,
    );
  },
};
