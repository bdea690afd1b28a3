import { Command, Option } from 'commander';
import { BatonError } from '../../shared/errors.ts';
import { experiments, findExperiment } from '../experiments/index.ts';
import { runExperiment } from '../experiments/run.ts';
import { type LabKind, labKinds } from '../lab/lab.ts';
import { createProgress } from '../lab/progress.ts';
import { formatTable } from '../report/table.ts';
import { renderTerminal } from '../report/terminal.ts';
import { writeReport } from '../report/write.ts';
import { labDown, labUp, type NetworkFlags } from './lab-network.ts';
import { vagrantDown, vagrantUp } from './lab-vagrant.ts';

interface LabFlags extends NetworkFlags {
  readonly on: LabKind;
  readonly out: string;
  readonly quick?: true;
}

/** `baton lab EXPERIMENT`, `baton lab list`, `baton lab up` and `baton lab down` */
export function labCommand(): Command {
  return new Command('lab')
    .description('run an experiment and write a report of it')
    .argument('<experiment>', `one of ${experiments.map(({ name }) => name).join(', ')}; or list, up, down`)
    .addOption(new Option('--on <lab>', 'where its hosts are').default('loopback').argParser(parseLab))
    .option('--out <dir>', 'where the reports go', 'reports')
    .option('--quick', 'a shorter run, with less to say')
    .option('--deliveries <n>', 'up: how many delivery hosts (default: 2)')
    .option('--rtt <duration>', "up: the round trip of the client's cable (default: none to speak of)")
    .addHelpText('after', networkHelp)
    .action(lab);
}

const networkHelp = `
baton lab up --on netns    client, head and delivery hosts as network namespaces, with the shared address (root)
baton lab down --on netns  removes them, and what crashed labs have left

baton lab up --on vagrant    the same hosts as virtual machines, which experiments use until they are taken down
baton lab down --on vagrant  destroys them
`;

async function lab(name: string, flags: LabFlags): Promise<void> {
  if (name === 'up') return await (flags.on === 'vagrant' ? vagrantUp(flags) : labUp(flags));
  if (name === 'down') return await (flags.on === 'vagrant' ? vagrantDown() : labDown(flags));
  if (name === 'list') {
    process.stdout.write(
      `${formatTable(
        ['experiment', ''],
        experiments.map((each) => [each.name, each.title]),
      )}\n`,
    );
    return;
  }
  const experiment = findExperiment(name);
  const stop = new AbortController();
  const interrupt = (signal: NodeJS.Signals) => {
    if (stop.signal.aborted) process.exit(signal === 'SIGINT' ? 130 : 143);
    process.stderr.write('\nending early; once more ends at once\n');
    stop.abort();
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, interrupt);
  const progress = createProgress(process.stderr);
  try {
    const report = await runExperiment(experiment, {
      on: flags.on,
      quick: flags.quick ?? false,
      signal: stop.signal,
      progress,
    });
    progress.end();
    process.stdout.write(`\n${renderTerminal(report)}\n`);
    if (report.cases.some(({ rounds }) => rounds.length > 0)) {
      const files = await writeReport(report, flags.out);
      process.stdout.write(`\nreport: ${files.html}\n        ${files.json}\n`);
    }
  } finally {
    progress.end();
    for (const signal of signals) process.off(signal, interrupt);
  }
  if (stop.signal.aborted) process.exitCode = 130;
}

function parseLab(text: string): LabKind {
  const found = labKinds.find((kind) => kind === text);
  if (found !== undefined) return found;
  throw new BatonError('BAD_OPTION', {
    option: '--on',
    problem: `give one of ${labKinds.join(', ')}`,
    value: text,
  });
}
