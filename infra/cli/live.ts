import { Command } from 'commander';
import { SLOTS } from '../../head/scoreboard.ts';
import type { LabKind } from '../lab/kinds/kind.ts';
import type { Stage } from '../live/stage.ts';
import { otherSignals, stopSignals } from '../processes/signals.ts';
import { number, url, whole } from './arguments.ts';
import { addHeadOptions, adminPath, type HeadOptions } from './running-head.ts';

interface LabLiveFlags {
  readonly on: LabKind;
  readonly out: string;
  readonly rate: number;
  readonly deliveries: number;
  readonly local: number;
  readonly plainCables?: true;
}

type LiveFlags = HeadOptions & { readonly address?: string; readonly rate: number; readonly out: string };

const rateOption = [
  '--rate <N>',
  'visits per second at the beginning',
  number('--rate', 1, 5000),
  200,
] as const;

/** `baton lab live`; `showing`: which options of `lab` its help has. */
export const labLiveCommand = (showing: object): Command =>
  new Command('live')
    .summary('one page to drive an experiment, and to see what it does')
    .description(
      'Starts a head and deliveries, visits them, and prints the address of a page that shows and steers all of it. Ctrl-C, or stop on the page, writes a report.',
    )
    .configureHelp(showing)
    .option(...rateOption)
    .option(
      '--deliveries <N>',
      'delivery hosts',
      whole('--deliveries', 1, SLOTS, ', as many as a head takes'),
      2,
    )
    .option('--local <N>', "deliveries on the head's own host", whole('--local', 0, 16), 1)
    .option('--plain-cables', 'cables that cannot be made slow, as those of `baton lab modes`')
    .action(async (_, command: Command) => {
      const flags = command.optsWithGlobals<LabLiveFlags>();
      const { startLabStage } = await import('../live/lab-stage.ts');
      await show(await startLabStage({ ...flags, plainCables: flags.plainCables ?? false }), flags);
    });

/** `baton live` */
export const liveCommand = (): Command =>
  addHeadOptions(
    new Command('live')
      .summary('a page that shows and steers the running head, each second')
      .description(
        'Prints the address of a page that shows and steers the running head. Nobody visits it from here unless --address says where.',
      )
      .option('--address <URL>', 'visit the head there: http://HOST:PORT/PATH', url('--address'))
      .option(...rateOption)
      .option('--out <FOLDER>', 'where the report goes', 'reports'),
  ).action(async (flags: LiveFlags) => {
    const { runningHead } = await import('../live/head-stage.ts');
    await show(runningHead(adminPath(flags), flags.address), flags);
  });

async function show(stage: Stage, options: { rate: number; out: string }): Promise<void> {
  const { startLive } = await import('../live/live.ts');
  const signals = [...stopSignals, ...otherSignals];
  let interrupt!: () => void;
  const interrupted = new Promise<void>((resolve) => {
    interrupt = resolve;
  });
  for (const signal of signals) process.on(signal, interrupt);
  try {
    const live = await startLive(stage, options);
    process.stdout.write(`${live.address}\n`);
    if (process.stderr.isTTY)
      process.stderr.write('open it in a browser; Ctrl-C ends and writes the report\n');
    await Promise.race([interrupted, live.over]);
    const files = await live.finish();
    if (files) process.stdout.write(`report: ${files.html}\n        ${files.json}\n`);
    await live.close();
  } finally {
    await stage.stop();
    for (const signal of signals) process.off(signal, interrupt);
  }
}
