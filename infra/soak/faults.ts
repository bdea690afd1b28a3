/**
 * What goes wrong during a soak, and what it may cost by the documents' tables. The head itself is never ended: its memory is
 * what a soak looks at.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Mode } from '../../shared/status.ts';
import type { Lab, LabDelivery } from '../lab/lab.ts';
import { seededRandom } from '../statistics/random.ts';
import type { FailedVisit } from './visitors-main.ts';

interface SoakFault {
  readonly name: string;
  /** Where it is told what it does, and that nobody but those that it may cost is touched. */
  readonly row: string;
  /** Until it is mended. */
  readonly lastsMs: number;
  /** How visits may fail that were going on while it came about; all others must succeed. */
  readonly mayCost: readonly string[];
  /** It is of a cable. */
  readonly cable?: true;
  begin(lab: Lab, victim: LabDelivery): Promise<void>;
  end(lab: Lab, victim: LabDelivery): Promise<void>;
}

const mode = (name: Mode): SoakFault => ({
  name: `mode ${name}`,
  row: 'README: a connection keeps the mode that was in force when it was accepted',
  lastsMs: 20_000,
  mayCost: [],
  begin: (lab) => lab.head.setMode(name),
  end: (lab) => lab.head.setMode('handoff'),
});

const cable = (name: string, lastsMs: number, link: object): SoakFault => ({
  name,
  row: 'no fault of a process: TCP sends again what was lost',
  lastsMs,
  mayCost: [],
  cable: true,
  begin: (lab) => lab.client.setLink(link),
  end: (lab) => lab.client.setLink({}),
});

const soakFaults: readonly SoakFault[] = [
  {
    name: 'delivery killed',
    row: 'handoff.md: "it dies after taken: that connection ends with it, no other"',
    lastsMs: 5000,
    // A WebSocket and an answer that has begun are cut off; a request in progress is reset.
    mayCost: ['reset', 'closed_early', 'tls_closed'],
    begin: (_, victim) => victim.kill(),
    end: (_, victim) => victim.restart(),
  },
  {
    name: 'delivery frozen',
    row: 'handoff.md: "it freezes: what is untaken goes to others"; what it had taken waits until it goes on',
    lastsMs: 5000,
    mayCost: [],
    begin: (_, victim) => victim.freeze(),
    end: (_, victim) => victim.resume(),
  },
  {
    name: 'delivery stopped',
    row: 'handoff.md, How a delivery leaves: "connections end as their last answers are sent"',
    lastsMs: 5000,
    mayCost: [],
    begin: (_, victim) => victim.stop(),
    end: (_, victim) => victim.restart(),
  },
  {
    name: 'delivery drained',
    row: 'README: "finishes what it has and gets nothing more"',
    lastsMs: 15_000,
    mayCost: [],
    begin: (lab, victim) => lab.head.drain(victim.name, true),
    end: (lab, victim) => lab.head.drain(victim.name, false),
  },
  {
    name: 'head frozen',
    row: 'handoff.md: "the head itself was stopped: deliveries get time to be heard"',
    lastsMs: 1500,
    mayCost: [],
    begin: (lab) => lab.head.freeze(),
    end: (lab) => lab.head.resume(),
  },
  mode('redirect'),
  mode('created'),
  cable('slow cable', 20_000, { delayMs: 25 }),
  cable('cable with losses', 20_000, { lossPercent: 1 }),
];

export interface Planned {
  /** Milliseconds since the visits began. */
  readonly beginMs: number;
  readonly lastsMs: number;
  readonly fault: SoakFault;
  /** Which delivery. */
  readonly victim: number;
}

/** One fault in each stretch of `everyMs`, mended well before the next one. The same for the same seed. */
export function planFaults(
  seed: number,
  durationMs: number,
  everyMs: number,
  { deliveries, cables }: { deliveries: number; cables: boolean },
): Planned[] {
  const random = seededRandom(seed);
  const one = <T>(from: readonly T[]) => from[Math.floor(random() * from.length)]!;
  const possible = soakFaults.filter((fault) => cables || !fault.cable);
  const victims = Array.from({ length: deliveries }, (_, index) => index);
  return Array.from({ length: Math.floor(durationMs / everyMs) }, (_, index) => {
    const fault = one(possible);
    return {
      beginMs: everyMs * (index + 1 / 3),
      lastsMs: Math.min(fault.lastsMs, everyMs / 3),
      fault,
      victim: one(victims),
    };
  });
}

export interface Happened {
  readonly fault: SoakFault;
  readonly victim: string;
  /** Milliseconds since 1970: it was begun, and had come about; it was to be mended, and was. */
  readonly from: number;
  readonly begun: number;
  readonly until: number;
}

/** Lets it come about and mends it, also when the run is ended meanwhile. */
export async function inflict(
  { fault, victim, lastsMs }: Planned,
  lab: Lab,
  signal: AbortSignal,
): Promise<Happened> {
  const delivery = lab.deliveries[victim]!;
  const from = Date.now();
  await fault.begin(lab, delivery);
  const begun = Date.now();
  await delay(lastsMs, undefined, { signal }).catch(() => {});
  await fault.end(lab, delivery);
  return { fault, victim: delivery.name, from, begun, until: Date.now() };
}

/** Those that no fault may have cost. */
export function unexplained(failed: readonly FailedVisit[], happened: readonly Happened[]): FailedVisit[] {
  return failed.filter(
    (visit) =>
      !happened.some(
        ({ fault, from, begun }) =>
          fault.mayCost.includes(visit.name) && visit.from <= begun && visit.to >= from,
      ),
  );
}
