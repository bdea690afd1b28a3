/** The experiments: a line here and a file beside this one. */
import { BatonError } from '../../shared/errors.ts';
import type { Experiment } from './kit/experiment.ts';

/** Loaded when it is called for: help and completions need the names alone. */
const listed: Readonly<Record<string, () => Promise<Experiment>>> = {
  modes: async () => (await import('./modes.ts')).modes,
  'first-visit': async () => (await import('./first-visit.ts')).firstVisit,
  'secure-visit': async () => (await import('./secure-visit.ts')).secureVisit,
  size: async () => (await import('./size.ts')).size,
  'initial-window': async () => (await import('./initial-window.ts')).initialWindow,
  storm: async () => (await import('./storm.ts')).storm,
  session: async () => (await import('./session.ts')).session,
  failure: async () => (await import('./failure.ts')).failure,
  failover: async () => (await import('./failover.ts')).failover,
  'long-lived': async () => (await import('./long-lived.ts')).longLived,
  'split-hello': async () => (await import('./split-hello.ts')).splitHello,
  upgrade: async () => (await import('./upgrade.ts')).upgrade,
  locality: async () => (await import('./locality.ts')).locality,
  clients: async () => (await import('./clients.ts')).clients,
  selfcheck: async () => (await import('./selfcheck.ts')).selfcheck,
};

export const experimentNames: readonly string[] = Object.keys(listed);

export const loadExperiments = (): Promise<readonly Experiment[]> =>
  Promise.all(Object.values(listed).map((load) => load()));

export async function loadExperiment(name: string): Promise<Experiment> {
  if (Object.hasOwn(listed, name)) return await listed[name]!();
  throw new BatonError('UNKNOWN_EXPERIMENT', { name, known: experimentNames.join(', ') });
}
