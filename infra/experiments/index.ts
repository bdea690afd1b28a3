import { BatonError } from '../../shared/errors.ts';
import type { Experiment } from './experiment.ts';
import { modesExperiment } from './modes.ts';

/** One line an experiment. */
export const experiments: readonly Experiment[] = [modesExperiment];

export function findExperiment(name: string): Experiment {
  const found = experiments.find((experiment) => experiment.name === name);
  if (found) return found;
  const known = experiments.map((experiment) => experiment.name).join(', ');
  throw new BatonError('UNKNOWN_EXPERIMENT', { name, known });
}
