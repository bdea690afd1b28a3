import { type Check, lacking, ok, roles } from '../check.ts';

export const nativeParts: Check = {
  name: 'native parts',
  for: roles,
  async examine(machine) {
    const broken = await machine.brokenParts();
    if (broken.length === 0) return ok('koffi and node-unix-socket load');
    return lacking(`${broken.join(', ')} cannot be loaded on ${process.platform} ${process.arch}`, 'npm ci');
  },
};
