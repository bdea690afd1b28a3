import { Command, Option } from 'commander';
import { BatonError } from '../../shared/errors.ts';
import { experimentNames, loadExperiment, loadExperiments } from '../experiments/index.ts';
import type { Experiment } from '../experiments/kit/experiment.ts';
import { type LabKind, labKinds } from '../lab/lab.ts';
import { renderTerminal } from '../report/terminal.ts';
import type { WrittenReport } from '../report/write.ts';
import { createProgress } from '../terminal/progress.ts';
import { fitTable, formatTable } from '../terminal/table.ts';
import { terminalWidth } from '../terminal/width.ts';
import type { NetworkFlags } from './lab-network.ts';

interface LabFlags extends NetworkFlags {
  readonly on: LabKind;
  readonly out: string;
  readonly quick?: true;
}

/** `baton lab EXPERIMENT`, `baton lab all`, `list` and `schema`, `baton lab up` and `down` */
export function labCommand(): Command {
  const command = new Command('lab')
    .description('run an experiment and write a report of it')
    .argument('<experiment>', 'which; or what else to do')
    .addOption(onLab())
    .option('--out <dir>', 'where the reports go', 'reports')
    .option('--quick', 'a shorter run, with less to say')
    .option('--deliveries <n>', 'up: how many delivery hosts, at most 64 (default: 2)')
    .option('--rtt <duration>', "up: the round trip of the client's cable (default: none to speak of)")
    .addHelpText('after', otherHelp)
    .action(lab);
  command.registeredArguments[0]!.argChoices = [...experimentNames, 'all', 'list', 'schema', 'up', 'down'];
  return command;
}

/** Not `choices()`, which would say less well what is wrong. */
function onLab(): Option {
  const option = new Option('--on <lab>', 'where its hosts are').default('loopback').argParser(parseLab);
  option.argChoices = [...labKinds];
  return option;
}

const otherHelp = `
baton lab list             the experiments, and how long they take
baton lab all              runs all of them, with a page that lists their answers
baton lab schema           the JSON Schema of a report
baton lab up --on netns    client, head and delivery hosts as network namespaces, with the shared address (root)
baton lab down --on netns  removes them, and what crashed labs have left

baton lab up --on vagrant    the same hosts as virtual machines, which experiments use until they are taken down
baton lab down --on vagrant  destroys them
`;

async function lab(name: string, flags: LabFlags): Promise<void> {
  if (name === 'up' || name === 'down') return await upOrDown(name, flags);
  if (name === 'list') return void process.stdout.write(`${list(await loadExperiments())}\n`);
  if (name === 'schema') {
    const { reportJsonSchema } = await import('../report/schema.ts');
    return void process.stdout.write(`${JSON.stringify(reportJsonSchema(), undefined, 2)}\n`);
  }
  const wanted = name === 'all' ? await loadExperiments() : [await loadExperiment(name)];
  const { needReports } = await import('../report/write.ts');
  await needReports(flags.out);
  await runAll(wanted, flags);
}

async function upOrDown(name: 'up' | 'down', flags: LabFlags): Promise<void> {
  if (flags.on === 'vagrant') {
    const { vagrantDown, vagrantUp } = await import('./lab-vagrant.ts');
    return await (name === 'up' ? vagrantUp(flags) : vagrantDown());
  }
  const { labDown, labUp } = await import('./lab-network.ts');
  await (name === 'up' ? labUp(flags) : labDown(flags));
}

const list = (experiments: readonly Experiment[]) => {
  const rows = experiments.map(({ name, title, seconds }) => [
    name,
    title,
    `${seconds.full} s, ${seconds.quick} s`,
  ]);
  const [header, ...fitted] = fitTable([['experiment', '', 'about, --quick'], ...rows], terminalWidth());
  const widest = Math.max(...fitted.map(([, title]) => title!.length));
  return formatTable(
    header!,
    fitted.map(([name, title, time]) => [name!, title!.padEnd(widest), time!]),
  );
};

/** One after the other. What fails is told and the others go on; an interrupt ends the one and begins no other. */
async function runAll(wanted: readonly Experiment[], flags: LabFlags): Promise<void> {
  const stop = new AbortController();
  const interrupt = (signal: NodeJS.Signals) => {
    if (stop.signal.aborted) process.exit(signal === 'SIGINT' ? 130 : 143);
    process.stderr.write('\nending early; once more ends at once\n');
    stop.abort();
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, interrupt);
  const written: WrittenReport[] = [];
  let failure: unknown;
  try {
    for (const [index, experiment] of wanted.entries()) {
      if (stop.signal.aborted) break;
      try {
        const report = await runOne(experiment, wanted.slice(index + 1), flags, stop.signal);
        if (report) written.push(report);
      } catch (error) {
        failure ??= error;
        if (wanted.length === 1) break;
        const message = error instanceof Error ? error.message : String(error);
        process.stderr.write(`baton: ${experiment.name}: ${message}\n`);
      }
    }
    if (wanted.length > 1 && written.length > 0)
      process.stdout.write(`\nall answers: ${await (await writing()).writeIndex(written, flags.out)}\n`);
  } finally {
    for (const signal of signals) process.off(signal, interrupt);
  }
  if (failure !== undefined) throw failure;
  if (stop.signal.aborted) process.exitCode = 130;
}

async function runOne(
  experiment: Experiment,
  later: readonly Experiment[],
  flags: LabFlags,
  signal: AbortSignal,
): Promise<WrittenReport | undefined> {
  const quick = flags.quick ?? false;
  const laterMs = later.reduce((sum, { seconds }) => sum + 1000 * seconds[quick ? 'quick' : 'full'], 0);
  const progress = createProgress(process.stderr, laterMs);
  try {
    const { runExperiment } = await import('../experiments/kit/run.ts');
    const report = await runExperiment(experiment, { on: flags.on, quick, signal, progress });
    progress.end();
    process.stdout.write(`\n${renderTerminal(report)}\n`);
    if (report.tables.length === 0 && report.cases.every(({ rounds }) => rounds.length === 0))
      return undefined;
    const files = await (await writing()).writeReport(report, flags.out);
    process.stdout.write(`\nreport: ${files.html}\n        ${files.json}\n`);
    return { report, files };
  } finally {
    progress.end();
  }
}

const writing = () => import('../report/write.ts');

function parseLab(text: string): LabKind {
  const found = labKinds.find((kind) => kind === text);
  if (found !== undefined) return found;
  throw new BatonError('BAD_OPTION', {
    option: '--on',
    problem: `give one of ${labKinds.join(', ')}`,
    value: text,
  });
}
