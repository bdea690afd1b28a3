import { type Check, lacking, ok, roles, warning } from '../check.ts';

export const nativeParts: Check = {
  name: 'native parts',
  for: roles,
  async examine(machine) {
    const broken = await machine.brokenParts();
    if (broken.length === 0) return ok('koffi, node-unix-socket and msgpackr load');
    // msgpackr alone has a slower way.
    const verdict = broken.every((part) => part.startsWith('msgpackr')) ? warning : lacking;
    return verdict(`${broken.join(', ')} cannot be loaded on ${process.platform} ${process.arch}`, 'npm ci');
  },
};
