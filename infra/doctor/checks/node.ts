import { nodeRange } from '../../../shared/version.ts';
import { type Check, lacking, ok, roles } from '../check.ts';

export const node: Check = {
  name: 'Node.js',
  for: roles,
  examine({ node: version }) {
    if (isInRange(version, nodeRange)) return ok(version);
    return lacking(`${version}, and ${nodeRange} is needed`, 'npm ci && npm run -s baton -- doctor');
  },
};

/** `^A.B` and `>=A` with `||` between them, which is all that the package uses of npm's language. */
export function isInRange(version: string, range: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return range.split('||').some((part) => {
    const [, sign, wantedMajor, wantedMinor = '0'] = /^(\^|>=)(\d+)(?:\.(\d+))?/.exec(part.trim()) ?? [];
    if (sign === undefined) return false;
    const isLater = major > Number(wantedMajor);
    const isSame = major === Number(wantedMajor) && minor >= Number(wantedMinor);
    return isSame || (isLater && sign === '>=');
  });
}
