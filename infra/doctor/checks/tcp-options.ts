import { setCommand } from '../../../shared/host/cards.ts';
import { type Check, ok, warning } from '../check.ts';
import { asRoot } from '../machine.ts';

const settings = ['net/ipv4/tcp_sack', 'net/ipv4/tcp_window_scaling', 'net/ipv4/tcp_timestamps'];

export const tcpOptions: Check = {
  name: 'TCP options',
  for: ['head'],
  examine(machine) {
    const off = settings.filter((name) => machine.setting(name) === 0);
    if (off.length === 0) return ok('SACK, window scaling and timestamps move with a connection');
    const names = off.map((name) => name.split('/').at(-1)).join(', ');
    const fix = setCommand(Object.fromEntries(off.map((name) => [name, 1])));
    return warning(`${names} off: connections are slower where packets are lost`, asRoot(machine, fix));
  },
};
