import { type Check, lacking, ok, unknown } from '../check.ts';
import { asRoot } from '../machine.ts';

export const secret: Check = {
  name: 'secret',
  for: ['head', 'delivery'],
  async examine(machine, { secret: file, head }, role) {
    if (file === undefined) return unknown('not told: --secret FILE looks at it');
    const answer = await machine.secretUsable(file);
    if (answer === true) return ok(`${file} can be used, by its owner alone`);
    const isMissing = machine.read(file) === undefined && role === 'delivery' && head !== undefined;
    // Head and delivery share one: a delivery's is a copy.
    const copy = `scp ${head?.host}:${file} ${file} && chmod 600 ${file}`;
    const fix = answer.fix?.startsWith('chown') ? asRoot(machine, answer.fix) : answer.fix;
    return lacking(`${file} ${answer.problem}`, isMissing ? copy : fix);
  },
};
