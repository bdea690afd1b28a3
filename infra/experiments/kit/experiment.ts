import type { Lab, LabOptions } from '../../lab/lab.ts';
import type { Report } from '../../report/schema.ts';
import type { Progress } from '../../terminal/progress.ts';

/** A question, and how it is put to a lab. Each experiment is one file; index.ts lists them. */
export interface Experiment {
  readonly name: string;
  /** One line for `baton lab list`. */
  readonly title: string;
  readonly question: string;
  /** How long it takes on the netns lab, about, in seconds. */
  readonly seconds: { readonly full: number; readonly quick: number };
  /** What runs it. Default: `baton lab NAME`. */
  readonly command?: string;
  run(context: ExperimentContext): Promise<Findings>;
}

export interface ExperimentContext {
  /** Starts the lab that `--on` names. It is stopped when the experiment ends, however it ends. */
  startLab(options: LabOptions): Promise<Lab>;
  /**
   * A second lab beside one without hosts, whose deliveries are on hosts of their own; or, where there can be none or need
   * be none, the reason.
   */
  startLabWithHosts(options: LabOptions): Promise<Lab | string>;
  /** A shorter run with less to say. */
  readonly quick: boolean;
  /** Aborted by Ctrl-C: the experiment then answers what it has measured so far. */
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

/** What an experiment adds to a report; what it leaves out is empty. */
export type Findings = Pick<Report, 'answer' | 'parameters' | 'notes' | 'warnings'> &
  Partial<Pick<Report, 'x' | 'cases' | 'comparisons' | 'charts' | 'tables' | 'saturation'>>;
