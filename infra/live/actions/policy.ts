import { z } from 'zod';
import { policyNames } from '../../../head/choose/index.ts';
import { action } from './action.ts';

const wants = z.object({ policy: z.enum(policyNames as [string, ...string[]]) });

/** How the head chooses among deliveries: a setting, which it reads again. */
export const policy = action({
  name: 'policy',
  wants,
  targets: () => policyNames.map((name) => ({ key: name, to: { policy: name } })),
  hindrance(director) {
    if (director.stage.settings !== undefined) return director.headIsThere;
    if (director.stage.lab)
      return {
        reason: 'the policy is a setting of the head, whose settings are a file of another machine',
        mend: 'baton lab live --on netns (as root)',
      };
    return {
      reason: 'the policy is a setting of the head, whose settings are not this page’s',
      mend: 'write "policy" into the file of its --config, and: baton reload',
    };
  },
  async act(director, { policy: name }) {
    await director.choosePolicy(name);
    return `policy ${name}`;
  },
});
