import { isIP } from 'node:net';
import { type Check, lacking, ok, unknown } from '../check.ts';

export const segment: Check = {
  name: 'segment',
  for: ['head', 'delivery'],
  async examine(machine, asked, role) {
    const other = role === 'head' ? asked.delivery : asked.head?.host;
    const name = role === 'head' ? 'the delivery' : 'the head';
    if (other === undefined) {
      const option = role === 'head' ? '--delivery ADDRESS' : '--head HOST:PORT';
      return unknown(`not told where ${name} is: ${option} looks for it`);
    }
    const address = isIP(other) ? other : await machine.lookUp(other);
    const answer = await machine.nextHop(address);
    if (answer === true) return ok(`${name} (${address}) is on this host's layer-2 segment`);
    if (answer.code === 'NOT_ON_SEGMENT')
      return lacking(
        `${name} (${address}) cannot be reached at layer 2: ${answer.problem}`,
        `give both hosts cards on one segment; what there is: ip route get ${address}; ip neigh`,
      );
    return unknown(answer.problem, answer.fix);
  },
};
