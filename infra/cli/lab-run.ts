/** Runs experiments one after the other, shows what they found and writes their reports. */
import { resolve } from 'node:path';
import { BatonError } from '../../shared/errors.ts';
import type { Experiment } from '../experiments/kit/experiment.ts';
import { runExperiment } from '../experiments/kit/run.ts';
import type { LabKind } from '../lab/kinds/kind.ts';
import { otherSignals, stopSignals } from '../processes/signals.ts';
import { renderTerminal } from '../report/terminal.ts';
import { needReports, type WrittenReport, writeIndex, writeReport } from '../report/write.ts';
import { createProgress } from '../terminal/progress.ts';

type StopSignal = (typeof stopSignals)[number];

export interface LabFlags {
  readonly on: LabKind;
  readonly out: string;
  readonly quick?: true;
  readonly trace?: string;
}

/** What fails is told and the others go on; an interrupt ends the one and begins no other. */
export async function runAll(wanted: readonly Experiment[], flags: LabFlags): Promise<void> {
  await needReports(flags.out);
  if (flags.trace !== undefined) traceThese(flags.trace, flags.on);
  const stop = new AbortController();
  const interrupt = (signal: NodeJS.Signals) => {
    // A terminal that closes says it twice, and means it once.
    if (stop.signal.aborted && !stopSignals.includes(signal as StopSignal)) return;
    if (stop.signal.aborted) process.exit(signal === 'SIGINT' ? 130 : 143);
    process.stderr.write('\nending early; once more ends at once\n');
    stop.abort();
  };
  const signals = [...stopSignals, ...otherSignals];
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
      process.stdout.write(`\nall answers: ${await writeIndex(written, flags.out)}\n`);
  } finally {
    for (const signal of signals) process.off(signal, interrupt);
  }
  if (failure !== undefined) throw failure;
  if (stop.signal.aborted) process.exitCode = 130;
}

/** All that is started from here on inherits it. */
function traceThese(folder: string, { name }: LabKind): void {
  if (name === 'vagrant') {
    const problem = 'the processes of a lab of virtual machines have no folder in common';
    throw new BatonError('BAD_OPTION', { option: '--trace', problem, value: JSON.stringify(folder) });
  }
  process.env.BATON_TRACE = resolve(folder);
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
    const report = await runExperiment(experiment, { on: flags.on, quick, signal, progress });
    progress.end();
    process.stdout.write(`\n${renderTerminal(report)}\n`);
    if (report.tables.length === 0 && report.cases.every(({ rounds }) => rounds.length === 0))
      return undefined;
    const files = await writeReport(report, flags.out);
    process.stdout.write(`\nreport: ${files.html}\n        ${files.json}\n`);
    return { report, files };
  } finally {
    progress.end();
  }
}
