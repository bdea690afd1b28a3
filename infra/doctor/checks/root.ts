import { type Check, ok, warning } from '../check.ts';

export const root: Check = {
  name: 'root',
  for: ['lab'],
  examine(machine) {
    if (machine.uid === 0) return ok('the netns lab can be built');
    return warning(`this is user ${machine.uid}: the loopback lab only, no netns lab`, 'start labs as root');
  },
};
