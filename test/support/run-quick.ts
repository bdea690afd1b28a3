/** Experiments for tests: on the netns lab, quick. */
import { cpus, loadavg } from 'node:os';
import type { Experiment } from '../../infra/experiments/kit/experiment.ts';
import { runExperiment } from '../../infra/experiments/kit/run.ts';
import { netns } from '../../infra/lab/kinds/netns.ts';
import type { Report } from '../../infra/report/schema.ts';
import { createProgress } from '../../infra/terminal/progress.ts';

export const runQuick = (experiment: Experiment): Promise<Report> =>
  runExperiment(experiment, {
    on: netns,
    quick: true,
    signal: new AbortController().signal,
    progress: createProgress({ write: () => {} }),
  });

/** Processes that want to run, over the last minute: beyond the number of cores some always wait. */
export const isBusy = () => loadavg()[0]! > 1.5 * cpus().length;
