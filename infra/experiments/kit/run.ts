import { readEnvironment, readEnvironmentOf } from '../../lab/environment.ts';
import type { Lab, LabKind } from '../../lab/lab.ts';
import { startLab } from '../../lab/start.ts';
import { type Environment, type Report, reportSchemaVersion } from '../../report/schema.ts';
import type { Progress } from '../../terminal/progress.ts';
import type { Experiment } from './experiment.ts';

export interface RunOptions {
  readonly on: LabKind;
  readonly quick: boolean;
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

/** Runs an experiment and stops every lab that it started, however it ends. */
export async function runExperiment(experiment: Experiment, options: RunOptions): Promise<Report> {
  const began = Date.now();
  let environment: Environment = { ...(await readEnvironment()), lab: options.on, baton: 'unknown' };
  const labs: Lab[] = [];
  try {
    const findings = await experiment.run({
      startLab: async (wanted) => {
        const lab = await startLab(options.on, wanted);
        labs.push(lab);
        const { version } = await lab.head.status();
        environment = { ...(await readEnvironmentOf(lab.head.host)), lab: options.on, baton: version };
        return lab;
      },
      async startLabWithHosts(wanted) {
        if (options.on !== 'loopback') return `the ${options.on} lab has hosts itself`;
        if (process.getuid!() !== 0) return 'it takes root: sudo npm start';
        const lab = await startLab('netns', wanted);
        labs.push(lab);
        return lab;
      },
      quick: options.quick,
      signal: options.signal,
      progress: options.progress,
    });
    return {
      schema: reportSchemaVersion,
      kind: 'baton-report',
      experiment: experiment.name,
      title: experiment.title,
      question: experiment.question,
      command: `baton lab ${experiment.name} --on ${options.on}${options.quick ? ' --quick' : ''}`,
      startedAt: new Date(began).toISOString(),
      seconds: (Date.now() - began) / 1000,
      complete: !options.signal.aborted,
      environment,
      x: null,
      cases: [],
      comparisons: [],
      charts: [],
      tables: [],
      saturation: [],
      ...findings,
    };
  } finally {
    await Promise.all(labs.map((lab) => lab.stop()));
  }
}
