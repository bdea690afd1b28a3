import { readEnvironment, readEnvironmentOf } from '../../lab/environment.ts';
import { labKinds } from '../../lab/kinds/index.ts';
import type { LabKind } from '../../lab/kinds/kind.ts';
import type { Lab } from '../../lab/lab.ts';
import { type Environment, REPORT_SCHEMA, type Report } from '../../report/schema.ts';
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
  const { on } = options;
  let environment: Environment = { ...(await readEnvironment()), lab: on.name, baton: 'unknown' };
  const labs: Lab[] = [];
  try {
    const findings = await experiment.run({
      startLab: async (wanted) => {
        const lab = await on.start(wanted);
        labs.push(lab);
        const { version } = await lab.head.status();
        environment = { ...(await readEnvironmentOf(lab.head.host)), lab: on.name, baton: version };
        return lab;
      },
      async startLabWithHosts(wanted) {
        if (on.hasHosts) return `the ${on.name} lab has hosts itself`;
        const other = labKinds.find(({ hasHosts, lackingBeside }) => hasHosts && lackingBeside)!;
        const lacking = other.lackingBeside!();
        if (lacking !== undefined) return lacking;
        const lab = await other.start(wanted);
        labs.push(lab);
        return lab;
      },
      quick: options.quick,
      signal: options.signal,
      progress: options.progress,
    });
    return {
      schema: REPORT_SCHEMA,
      kind: 'baton-report',
      experiment: experiment.name,
      title: experiment.title,
      question: experiment.question,
      command: `${experiment.command ?? `baton lab ${experiment.name}`} --on ${on.name}${options.quick ? ' --quick' : ''}`,
      startedAt: new Date(began).toISOString(),
      seconds: (Date.now() - began) / 1000,
      complete: !options.signal.aborted,
      environment,
      x: null,
      cases: [],
      comparisons: [],
      charts: [],
      heats: [],
      tables: [],
      saturation: [],
      ...findings,
    };
  } finally {
    await Promise.all(labs.map((lab) => lab.stop()));
  }
}
