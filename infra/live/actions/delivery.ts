import { z } from 'zod';
import type { Director, Running } from '../director.ts';
import type { Hindrance } from '../stage.ts';
import { action, ownLabOnly } from './action.ts';

const wants = z.object({ delivery: z.string().max(300) });

interface Fault {
  readonly name: string;
  readonly from: readonly Running[];
  readonly to: Running;
  readonly told: string;
}

const faults: readonly Fault[] = [
  { name: 'kill', from: ['running', 'frozen'], to: 'ended', told: 'killed' },
  { name: 'freeze', from: ['running'], to: 'frozen', told: 'frozen' },
  { name: 'continue', from: ['frozen'], to: 'running', told: 'goes on' },
  { name: 'start', from: ['ended'], to: 'running', told: 'started again' },
];

const others: Readonly<Record<Running, string>> = {
  running: 'it runs',
  frozen: 'it is frozen',
  ended: 'it has ended',
};
const first: Readonly<Record<Running, string>> = {
  running: 'freeze or kill it first',
  frozen: 'let it go on first',
  ended: 'start it first',
};

function hindrance(director: Director, name: string, from: readonly Running[]): Hindrance | undefined {
  if (!director.stage.lab) return ownLabOnly(name);
  const running = director.running(name);
  if (running === undefined) return { reason: `the lab has no ${name}`, mend: 'name one that it has' };
  return from.includes(running) ? undefined : { reason: others[running], mend: first[running] };
}

/** SIGKILL, SIGSTOP, SIGCONT, and starting it again. */
export const deliveryFaults = faults.map(({ name, from, to, told }) =>
  action({
    name: `${name}-delivery`,
    wants,
    targets: (director) => director.deliveries.map((one) => ({ key: one.name, to: { delivery: one.name } })),
    hindrance: (director, { delivery }) => hindrance(director, delivery, from),
    async act(director, { delivery }) {
      await director.bring(delivery, to);
      return `${delivery} ${told}`;
    },
  }),
);
