import { headSchema, resolveSettings } from '../../../shared/config.ts';
import { setCommand } from '../../../shared/host/cards.ts';
import { type Check, ok, unknown, warning } from '../check.ts';
import { asRoot } from '../machine.ts';

const setting = 'net/core/somaxconn';

export const acceptQueue: Check = {
  name: 'accept queue',
  for: ['head'],
  examine(machine) {
    const most = machine.setting(setting);
    const { backlog } = resolveSettings(headSchema, {});
    if (most === undefined) return unknown(`the kernel does not show ${setting}`);
    if (most >= backlog) return ok(`${backlog} connections may wait for each worker (somaxconn ${most})`);
    return warning(
      `${most} connections may wait for each worker, and not --backlog ${backlog} (somaxconn)`,
      asRoot(machine, setCommand({ [setting]: backlog })),
    );
  },
};
