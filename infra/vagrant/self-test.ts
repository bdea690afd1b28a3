/**
 * `npm run -s vagrant-self-test`: the Vagrant lab from nothing to a report and back to nothing, with checks of what it must
 * do. By hand, because it makes four virtual machines (with BATON_HEADS=2 five, and it checks what two heads must do as well): minutes
 * with KVM, half an hour without. `--keep` leaves them.
 */
import { parseArgs } from 'node:util';
import { execa } from 'execa';
import { BatonError } from '../../shared/errors.ts';
import type { Mode } from '../../shared/status.ts';
import { loadExperiment } from '../experiments/index.ts';
import { baton } from '../lab/service.ts';
import { checkLab } from './self-test/checks.ts';
import { checkHeads } from './self-test/heads.ts';
import { createJournal } from './self-test/journal.ts';

const { values: flags } = parseArgs({
  options: { keep: { type: 'boolean', default: false }, out: { type: 'string', default: 'reports' } },
});
const journal = createJournal();
const { step, check } = journal;

/** As a person would call it: what it says on stderr is shown, its answer is returned. */
async function ask(...args: string[]): Promise<{ exitCode?: number; stdout: string }> {
  const [program, ...rest] = [...baton, ...args];
  return await execa(program!, rest, { reject: false, stderr: 'inherit' });
}

async function command(...args: string[]): Promise<string> {
  const { exitCode, stdout } = await ask(...args);
  if (exitCode === 0) return stdout;
  throw new BatonError('LAB_FAILED', { problem: `baton ${args.join(' ')} ended with ${exitCode}` });
}

/** The one that needs the least of a slow machine. */
const experiment = await loadExperiment('first-visit');

const up = await step('baton lab up', () => command('lab', 'up', '--on', 'vagrant'));
if (up === undefined) process.exit(1);
console.log(up);
await step('baton mode, from here', async () => {
  for (const mode of ['redirect', 'handoff'] satisfies Mode[]) {
    const said = await command('mode', mode, '--on', 'vagrant');
    check(`the head says that its mode is ${mode}`, said === mode, said);
  }
});
await step('baton status, from here', async () => {
  const said = await command('status', '--on', 'vagrant');
  console.log(said);
  check('it lists deliveries that are up on other hosts', /^d1 +up/m.test(said) && /^d2 +up/m.test(said));
});
await step('baton doctor, from here', async () => {
  const { exitCode, stdout } = await ask('doctor', '--on', 'vagrant');
  console.log(stdout);
  check('nothing that is needed is lacking', exitCode === 0);
});
await checkLab(journal);
if (up && /^head2 /m.test(up)) await checkHeads(journal);
await step(`baton lab ${experiment.name}`, async () => {
  const said = await command('lab', experiment.name, '--quick', '--on', 'vagrant', '--out', flags.out);
  console.log(said);
  check('a report was written', /^report: /m.test(said));
});
await step('the services after an experiment', async () => {
  const said = await command('status', '--on', 'vagrant');
  check('they run as after a boot', /^d1 +up/m.test(said) && /mode handoff/.test(said), said);
});
if (!flags.keep) await step('baton lab down', () => command('lab', 'down', '--on', 'vagrant'));
process.exitCode = journal.end() ? 0 : 1;
