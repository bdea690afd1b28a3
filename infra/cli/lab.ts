import { Command } from 'commander';
import { SLOTS } from '../../head/scoreboard.ts';
import { BatonError } from '../../shared/errors.ts';
import { experimentNames, loadExperiment, loadExperiments } from '../experiments/index.ts';
import type { Experiment } from '../experiments/kit/experiment.ts';
import { labKinds } from '../lab/kinds/index.ts';
import type { LabKind, WantedHosts } from '../lab/kinds/kind.ts';
import { fitTable, formatTable } from '../terminal/table.ts';
import { terminalWidth } from '../terminal/width.ts';
import { choice, duration, onLab, whole } from './arguments.ts';
import type { LabFlags } from './lab-run.ts';
import { labLiveCommand } from './live.ts';

interface OnFlags {
  readonly on: LabKind;
}

type UpFlags = OnFlags & {
  readonly deliveries?: number;
  readonly heads?: 1 | 2;
  readonly rtt?: number;
  readonly file?: string;
};

/** `baton lab EXPERIMENT`, `baton lab all`, `list` and `schema`, `baton lab live`, `baton lab up` and `down` */
export function labCommand(): Command {
  const [usual] = labKinds;
  const lab = new Command('lab')
    .usage('[options] <EXPERIMENT>')
    .summary('run an experiment and write a report of it')
    .description(
      'Runs an experiment in a lab and writes a report of it; or shows and makes what there is for that.',
    )
    .argument('<EXPERIMENT>', 'which one')
    .addOption(onLab('where its hosts are', () => true).default(usual, usual.name))
    .option('--out <FOLDER>', 'where the reports go', 'reports')
    .option('--quick', 'a shorter run, with less to say')
    .option('--trace <FOLDER>', 'heads and deliveries write each step there, for `npm run trace`')
    .action(async (name: string, flags: LabFlags) => runThese([await loadExperiment(name)], flags));
  lab.registeredArguments[0]!.argChoices = [...experimentNames];
  return lab
    .helpCommand(false)
    .addCommand(listCommand())
    .addCommand(allCommand())
    .addCommand(schemaCommand())
    .addCommand(runCommand())
    .addCommand(labLiveCommand(showing('--on', '--out')))
    .addCommand(upCommand())
    .addCommand(downCommand());
}

/** Options of `lab` that its own commands take as well. */
const showing = (...names: readonly string[]) => ({
  showGlobalOptions: true,
  visibleGlobalOptions: ({ parent }: Command) => parent!.options.filter(({ long }) => names.includes(long!)),
});

const listCommand = () =>
  new Command('list')
    .summary('the experiments, and how long they take')
    .description('Lists the experiments and how long they take.')
    .action(async () => void process.stdout.write(`${list(await loadExperiments())}\n`));

const allCommand = () =>
  new Command('all')
    .summary('run all of them')
    .description('Runs all experiments, with a page that lists their answers.')
    .configureHelp(showing('--on', '--out', '--quick', '--trace'))
    .action(async (_, command: Command) =>
      runThese(await loadExperiments(), command.optsWithGlobals<LabFlags>()),
    );

const schemaCommand = () =>
  new Command('schema')
    .summary('the JSON Schema of a report, or of a lab in a file')
    .description('Prints the JSON Schema of a report, or of a lab in a file.')
    .addOption(choice('--of <WHAT>', 'what it describes', ['report', 'file']).default('report'))
    .action(async ({ of }: { of: 'report' | 'file' }) => {
      const schema =
        of === 'report'
          ? (await import('../report/schema.ts')).reportJsonSchema()
          : (await import('../lab/file/schema.ts')).labFileJsonSchema();
      process.stdout.write(`${JSON.stringify(schema, undefined, 2)}\n`);
    });

const runCommand = () =>
  new Command('run')
    .summary('run an experiment of your own: a lab in a file')
    .description(
      'Runs an experiment of your own, which is a lab in a file (docs/lab-file.md), and writes a report of it as of any other.',
    )
    .configureHelp(showing('--on', '--out', '--quick', '--trace'))
    .argument('<FILE>', 'the lab, in YAML')
    .action(async (file: string, _, command: Command) => {
      const { runFile } = await import('./lab-file.ts');
      await runFile(file, command.optsWithGlobals<LabFlags>(), onIsGiven(command));
    });

/** Then it has the last word over the file. */
const onIsGiven = (command: Command) => command.getOptionValueSourceWithGlobals('on') === 'cli';

const upCommand = () =>
  new Command('up')
    .summary('make client, head and delivery hosts that stay')
    .description(
      'Makes client, head and delivery hosts that stay, with the address that they share: as network namespaces (--on netns, root), or as virtual machines, which experiments use until they are taken down (--on vagrant).',
    )
    .configureHelp(showing('--on'))
    .option(
      '--file <FILE>',
      'a lab in YAML, whose processes run until Ctrl-C, and to which happens what it says',
    )
    .option(
      '--deliveries <N>',
      `delivery hosts, at most ${SLOTS} (default: 2)`,
      whole('--deliveries', 1, SLOTS, ', as many as a head takes'),
    )
    .option(
      '--heads <N>',
      'hosts of heads, 1 or 2: two share the address, and keepalived moves it (default: 1)',
      whole('--heads', 1, 2) as (text: string) => 1 | 2,
    )
    .option(
      '--rtt <DURATION>',
      "the round trip of the client's cable (default: none to speak of)",
      duration('--rtt', 0, 10_000),
    )
    .action(async (_, command: Command) => {
      const { on, deliveries, heads, rtt, file } = command.optsWithGlobals<UpFlags>();
      if (file !== undefined) {
        if (deliveries !== undefined || heads !== undefined || rtt !== undefined)
          throw new BatonError('USAGE', {
            problem:
              'the file of --file says which heads, deliveries and cables there are; leave out --heads, --deliveries and --rtt',
          });
        const { upFile } = await import('./lab-file.ts');
        return await upFile(file, on, onIsGiven(command));
      }
      if (!on.up) throw cannot('up', on);
      const wanted: WantedHosts = {
        ...(deliveries === undefined ? {} : { deliveries }),
        ...(heads === undefined ? {} : { heads }),
        ...(rtt === undefined ? {} : { rttMs: rtt }),
      };
      process.stdout.write(`${await on.up(wanted)}\n`);
    });

const downCommand = () =>
  new Command('down')
    .summary('remove them')
    .description('Removes the hosts of `baton lab up`, and what crashed labs have left.')
    .configureHelp(showing('--on'))
    .action(async (_, command: Command) => {
      const { on } = command.optsWithGlobals<OnFlags>();
      if (!on.down) throw cannot('down', on);
      const said = await on.down();
      if (said !== undefined) process.stdout.write(`${said}\n`);
    });

function cannot(verb: 'up' | 'down', on: LabKind): BatonError {
  const able = labKinds.filter((kind) => kind[verb]).map(({ name }) => name);
  const problem = `lab ${verb} is for hosts; the labs that have some are ${able.join(' and ')}`;
  return new BatonError('BAD_OPTION', { option: '--on', problem, value: JSON.stringify(on.name) });
}

async function runThese(wanted: readonly Experiment[], flags: LabFlags): Promise<void> {
  const { runAll } = await import('./lab-run.ts');
  await runAll(wanted, flags);
}

function list(experiments: readonly Experiment[]): string {
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
}
