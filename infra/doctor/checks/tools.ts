import { type Check, ok, warning } from '../check.ts';
import { asRoot } from '../machine.ts';

/** Programs that some tests and labs use, and the Debian packages that they come from. */
const packages = {
  curl: 'curl',
  tcpdump: 'tcpdump',
  python3: 'python3',
  gcc: 'gcc',
  clang: 'clang',
  chromium: 'chromium',
  vagrant: 'vagrant',
};

export const tools: Check = {
  name: 'tools',
  for: ['lab'],
  examine(machine) {
    const missing = Object.entries(packages).filter(([tool]) => !machine.has(tool));
    if (missing.length === 0) return ok(Object.keys(packages).join(', '));
    const fix = `apt-get install ${missing.map(([, name]) => name).join(' ')}`;
    const names = missing.map(([tool]) => tool).join(', ');
    return warning(`without ${names}: what uses them is left out`, asRoot(machine, fix));
  },
};
