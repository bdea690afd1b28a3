import { BatonError } from '../../../shared/errors.ts';
import type { Lab } from '../../lab/lab.ts';
import type { ExperimentContext } from './experiment.ts';

/**
 * Round trips between the client and everything else. Labs without cables have only the one that they have: an
 * experiment then measures there what it can, and its notes say so.
 */
export interface Cable {
  /** Of those asked for, in milliseconds, the ones that this lab can make; only 0 where there is no cable. */
  readonly roundTrips: readonly number[];
  set(roundTripMs: number): Promise<void>;
  readonly note: string | undefined;
}

/** What a lab must be started with, so that its client's cable can be changed. */
export const clientCable = { client: {} } as const;

export async function cableOf(lab: Lab, wanted: readonly number[]): Promise<Cable> {
  const set = (roundTripMs: number) => lab.client.setLink({ delayMs: roundTripMs / 2 });
  try {
    await set(0);
    return { roundTrips: wanted, set, note: undefined };
  } catch (error) {
    if (!(error instanceof BatonError && error.code === 'LAB_FAILED')) throw error;
    return {
      roundTrips: [0],
      set: async () => {},
      note: 'This lab has no cables, so a round trip takes almost no time; `--on netns` measures with longer ones.',
    };
  }
}

/** A lab with a delivery for each transport, whose client is this far away where the lab has cables. */
export async function startLabAt(
  { startLab }: ExperimentContext,
  roundTripMs: number,
): Promise<{ lab: Lab; roundTrip: number; notes: string[] }> {
  const lab = await startLab({ mode: 'handoff', deliveries: 1, local: 1, links: clientCable });
  const cable = await cableOf(lab, [roundTripMs]);
  const roundTrip = cable.roundTrips[0]!;
  await cable.set(roundTrip);
  return { lab, roundTrip, notes: cable.note ? [cable.note] : [] };
}
