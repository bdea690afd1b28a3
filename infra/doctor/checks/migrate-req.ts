import { setCommand } from '../../../shared/host/cards.ts';
import { type Check, ok, warning } from '../check.ts';
import { asRoot } from '../machine.ts';

const setting = 'net/ipv4/tcp_migrate_req';

export const migrateReq: Check = {
  name: 'queued connections',
  for: ['head'],
  examine(machine) {
    const value = machine.setting(setting);
    if (value === 1) return ok('go to another listener when theirs closes (tcp_migrate_req 1)');
    if (value === undefined) return warning('are reset when their listener closes; Linux 5.14 can keep them');
    return warning(
      'are reset when a worker ends with some in its queue (tcp_migrate_req 0)',
      asRoot(machine, setCommand({ [setting]: 1 })),
    );
  },
};
