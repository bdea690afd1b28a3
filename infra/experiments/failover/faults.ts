/** What befalls the head that has the address, and its return. */
import { setTimeout as delay } from 'node:timers/promises';
import { BatonError } from '../../../shared/errors.ts';
import { askReady } from '../../cli/ready.ts';
import type { HeadHost, Lab, LabHead } from '../../lab/lab.ts';

/** A head with its host, and what else stands beside it. */
export interface Place {
  readonly head: LabHead;
  readonly host: HeadHost;
}

export interface HeadFault {
  readonly name: string;
  readonly marks: readonly [string, string];
  begin(place: Place): Promise<void>;
  end(place: Place): Promise<void>;
}

export const headFaults: readonly HeadFault[] = [
  {
    name: 'host lost',
    marks: ['lost', 'back'],
    begin: ({ head, host }) => host.lose(head),
    end: ({ head, host }) => host.boot(head),
  },
  {
    name: 'cable pulled',
    marks: ['pulled', 'plugged in'],
    begin: ({ host }) => host.setCable(false),
    end: ({ host }) => host.setCable(true),
  },
  {
    name: 'head killed',
    marks: ['killed', 'started again'],
    begin: ({ head }) => head.end('kill'),
    end: ({ head }) => head.restart('kill'),
  },
  {
    name: 'head frozen',
    marks: ['frozen', 'goes on'],
    begin: ({ head }) => head.freeze(),
    end: ({ head }) => head.resume(),
  },
];

const WITHIN_MS = 20_000;
const LOOK_EVERY_MS = 50;

/** The places of a lab with two heads. */
export const placesOf = ({ heads, headHosts }: Lab): Place[] =>
  heads.map((head, index) => ({ head, host: headHosts![index]! }));

/** Waits until exactly one has the address, and both are ready to have it. */
export async function untilWhole(places: readonly Place[]): Promise<void> {
  const until = performance.now() + WITHIN_MS;
  let seen = '';
  while (performance.now() < until) {
    const states = await Promise.all(
      places.map(async ({ head, host }) => ({
        has: await host.hasAddress(),
        ready: (await askReady(head.admin)).ready,
      })),
    );
    if (states.filter(({ has }) => has).length === 1 && states.every(({ ready }) => ready)) return;
    seen = JSON.stringify(states);
    await delay(LOOK_EVERY_MS);
  }
  throw new BatonError('LAB_FAILED', { problem: `the two heads did not come to rest: ${seen}` });
}
