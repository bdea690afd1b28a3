import { type Check, lacking, ok, type Role } from '../check.ts';

/** TCP_REPAIR_WINDOW came with 4.8; walking a BPF hash table in batches with 5.6. */
const least = (role: Role): readonly [major: number, minor: number] => (role === 'head' ? [5, 6] : [4, 8]);

export const kernel: Check = {
  name: 'kernel',
  for: ['head', 'delivery'],
  examine(machine, _asked, role) {
    const release = machine.read('/proc/sys/kernel/osrelease') ?? '';
    const [major = 0, minor = 0] = release.split('.').map(Number);
    const [needMajor, needMinor] = least(role);
    if (major > needMajor || (major === needMajor && minor >= needMinor)) return ok(release);
    return lacking(
      `${release || 'not Linux'}, and ${needMajor}.${needMinor} is needed`,
      'boot a later kernel',
    );
  },
};
