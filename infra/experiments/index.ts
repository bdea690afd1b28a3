import { BatonError } from '../../shared/errors.ts';
import { clientsExperiment } from './clients.ts';
import type { Experiment } from './experiment.ts';
import { failure } from './failure.ts';
import { firstVisit } from './first-visit.ts';
import { modesExperiment } from './modes.ts';
import { selfcheck } from './selfcheck.ts';
import { session } from './session.ts';
import { size } from './size.ts';
import { storm } from './storm.ts';

/** One line an experiment. */
export const experiments: readonly Experiment[] = [
  modesExperiment,
  firstVisit,
  size,
  storm,
  session,
  failure,
  clientsExperiment,
  selfcheck,
];

export function findExperiment(name: string): Experiment {
  const found = experiments.find((experiment) => experiment.name === name);
  if (found) return found;
  const known = experiments.map((experiment) => experiment.name).join(', ');
  throw new BatonError('UNKNOWN_EXPERIMENT', { name, known });
}
