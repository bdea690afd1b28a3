import { isSupported, nodeRange } from '../../../shared/supported.ts';
import { type Check, lacking, ok, roles } from '../check.ts';

export const node: Check = {
  name: 'Node.js',
  for: roles,
  examine({ node: version }) {
    if (isSupported(version)) return ok(version);
    return lacking(`${version}, and ${nodeRange} is needed`, 'npm ci && npm run -s baton -- doctor');
  },
};
