import type { Mode, Transport } from '../../../shared/status.ts';
import { askEach, drainAt } from '../../lab/heads.ts';
import type { Lab, LabDelivery } from '../../lab/lab.ts';

/**
 * The ways in which a visit can go in a lab, whatever lab it is: straight to a delivery, handed over by each transport
 * that the lab's deliveries have, and sent elsewhere by 307 or 201.
 */
export interface Way {
  /** The same in every lab, so that reports can be compared. */
  readonly name: string;
  readonly mode: Mode | undefined;
  readonly description: string;
  readonly lab: Lab;
  /** HOST:PORT that visitors ask, in turns. */
  readonly hosts: readonly string[];
  /** Those that may answer. */
  readonly deliveries: readonly LabDelivery[];
  /** Makes the running head go this way, from the next connection on. */
  choose(): Promise<void>;
}

const handoffs: Readonly<Record<Transport, string>> = {
  fd: 'the head hands the socket to a delivery on its own host',
  migrate: 'the head moves the connection to a delivery on another host, which answers the client itself',
};

export function waysOf(lab: Lab): Way[] {
  const transports = [...new Set(lab.deliveries.map(({ transport }) => transport))].sort();
  const elsewhere = lab.deliveries.filter(({ host }) => host !== lab.head.host);
  // A client that connects again goes to another host, where there is one.
  const targets = elsewhere.length > 0 ? elsewhere : lab.deliveries;
  const viaHead = (
    name: string,
    mode: Mode,
    description: string,
    deliveries: readonly LabDelivery[],
  ): Way => ({
    name,
    mode,
    description,
    lab,
    hosts: [lab.head.listen],
    deliveries,
    async choose() {
      await only(lab, deliveries);
      await askEach(lab.heads, (head) => head.setMode(mode));
    },
  });
  return [
    {
      name: 'direct',
      mode: undefined,
      description: 'straight to a delivery, without the head: the least that a visit takes',
      lab,
      hosts: targets.map(({ direct }) => direct),
      deliveries: targets,
      choose: async () => {},
    },
    ...transports.map((transport) =>
      viaHead(
        `handoff-${transport}`,
        'handoff',
        handoffs[transport],
        lab.deliveries.filter((delivery) => delivery.transport === transport),
      ),
    ),
    viaHead(
      'redirect',
      'redirect',
      'the head answers 307 with the address of a delivery; the client connects again',
      targets,
    ),
    viaHead(
      'created',
      'created',
      'the head answers 201 with the address of a delivery; followed here as a 307 is, which clients do not',
      targets,
    ),
  ];
}

/** Every other delivery drains. */
const only = (lab: Lab, wanted: readonly LabDelivery[]): Promise<void> =>
  drainAt(lab, (name) => !wanted.some((delivery) => delivery.name === name));

/** Short names for answers: handoff-migrate is a handoff. */
export const isHandoff = (way: string): boolean => way.startsWith('handoff-');
