import type { Asked, Role } from '../../../infra/doctor/check.ts';
import { checks } from '../../../infra/doctor/checks/index.ts';
import { examine } from '../../../infra/doctor/examine.ts';
import type { Machine } from '../../../infra/doctor/machine.ts';
import { card } from './a-machine.ts';

export const told = {
  vips: ['10.77.0.100'],
  head: { host: '10.77.0.2', port: 8090 },
  secret: '/etc/baton/secret',
  delivery: '10.77.0.11',
};
export const headsCards = [card('lo', '127.0.0.1/8'), card('eth0', '10.77.0.2/24', '10.77.0.100/32')];

/** What the check called `name` finds. */
export async function find(name: string, role: Role, machine: Machine, asked: Asked = told) {
  const [check] = checks.filter((one) => one.name === name);
  const groups = await examine([check!], machine, asked, [role]);
  return groups.flatMap(({ findings }) => findings)[0];
}
