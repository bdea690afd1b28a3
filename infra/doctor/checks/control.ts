import { formatHostPort } from '../../../shared/units.ts';
import { type Check, lacking, ok, unknown } from '../check.ts';

export const control: Check = {
  name: 'control port',
  for: ['delivery'],
  async examine(machine, { head, secret: file }) {
    if (head === undefined) return undefined;
    const address = formatHostPort(head);
    if (file === undefined || (await machine.secretUsable(file)) !== true)
      return unknown(`${address} was not asked: that takes a --secret FILE that can be used`);
    const answer = await machine.canLink(head, file);
    if (answer === true) return ok(`${address} answers, and has the same secret`);
    if (answer.code === 'LINK_REFUSED')
      return lacking(
        `${address}: ${answer.problem}`,
        `copy the head's over: scp ${head.host}:SECRET ${file}`,
      );
    return lacking(
      `${address} does not answer: ${answer.problem}`,
      `on ${head.host}: baton head --control ${address} --secret FILE ...`,
    );
  },
};
