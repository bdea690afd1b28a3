import { Command, Option } from 'commander';
import { BatonError } from '../../shared/errors.ts';
import { experiments, findExperiment } from '../experiments/index.ts';
import { runExperiment } from '../experiments/run.ts';
import { type LabKind, labKinds } from '../lab/lab.ts';
import { createProgress } from '../lab/progress.ts';
import { formatTable } from '../report/table.ts';
import { renderTerminal } from '../report/terminal.ts';
import { writeReport } from '../report/write.ts';

interface LabFlags {
  readonly on: LabKind;
  readonly out: string;
  readonly quick?: true;
}

/** `baton lab EXPERIMENT` and `baton lab list` */
export function labCommand(): Command {
  return new Command('lab')
    .description('run an experiment and write a report of it')
    .argument('<experiment>', `one of ${experiments.map(({ name }) => name).join(', ')}; or list`)
    .addOption(new Option('--on <lab>', 'where its hosts are').default('loopback').argParser(parseLab))
    .option('--out <dir>', 'where the reports go', 'reports')
    .option('--quick', 'a shorter run, with less to say')
    .action(lab);
}

async function lab(name: string, flags: LabFlags): Promise<void> {
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
