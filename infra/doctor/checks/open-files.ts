import { headSchema, resolveSettings } from '../../../shared/config.ts';
import {
  DEFAULT_CREDITS,
  deliveryFilesBesides,
  headFilesBesides,
  headFilesNeeded,
} from '../../../shared/open-files.ts';
import { type Check, lacking, ok, warning } from '../check.ts';

/** What a head should hold at once; nothing but memory ends with more. */
const HEAD_CONNECTIONS = 10_000;

export const openFiles: Check = {
  name: 'open files',
  for: ['head', 'delivery'],
  async examine(machine, _asked, role) {
    const limit = await machine.openFiles();
    const { workers } = resolveSettings(headSchema, {});
    const besides = role === 'head' ? headFilesBesides(workers) : deliveryFilesBesides;
    const least = role === 'head' ? headFilesNeeded(workers) : besides + 1;
    const good = besides + (role === 'head' ? HEAD_CONNECTIONS : DEFAULT_CREDITS);
    const fix = `ulimit -n ${good}`;
    if (limit < least) return lacking(`${limit} allowed, and ${least} are needed`, fix);
    const found = `${limit} allowed: ${limit - besides} connections at once`;
    return limit < good ? warning(found, fix) : ok(found);
  },
};
