/** The ways that visits can go on a stage, as its page names them. */
import type { DeliveryStatus, HeadStatus, Mode, Transport } from '../../shared/status.ts';

export interface LiveWay {
  readonly name: string;
  readonly title: string;
  readonly about: string;
  /** Undefined: the head has no part in it. */
  readonly mode: Mode | undefined;
  /** Only deliveries of this transport are given connections; undefined: all are. */
  readonly transport: Transport | undefined;
}

const direct: LiveWay = {
  name: 'direct',
  title: 'Direct',
  about: 'straight to a delivery, without the head: the least that a visit takes',
  mode: undefined,
  transport: undefined,
};

const handoffs: Readonly<Record<Transport, Pick<LiveWay, 'title' | 'about'>>> = {
  fd: { title: 'Handoff', about: 'the head hands the socket itself to a delivery on its own host' },
  migrate: {
    title: 'Handoff to a host',
    about: 'the head moves the connection to a delivery on another host, which answers the client itself',
  },
};

const elsewhere: readonly LiveWay[] = [
  {
    name: 'redirect',
    title: '307',
    about: 'the head answers with the address of a delivery; the client connects again',
    mode: 'redirect',
    transport: undefined,
  },
  {
    name: 'created',
    title: '201',
    about: 'the head answers 201 with the address; visitors here follow it, which others do not',
    mode: 'created',
    transport: undefined,
  },
];

/** `transports`: of the deliveries that there are. */
export function liveWays(transports: readonly Transport[], visitsGoDirect: boolean): LiveWay[] {
  const handoff = [...new Set(transports)].sort().map(
    (transport): LiveWay => ({
      ...handoffs[transport],
      name: `handoff-${transport}`,
      mode: 'handoff',
      transport,
    }),
  );
  return [...(visitsGoDirect ? [direct] : []), ...handoff, ...elsewhere];
}

/** Where those who go this way begin. On a stage with other hosts a client that connects again goes to one of these. */
export function hostsOf(
  way: LiveWay,
  head: string,
  { deliveries }: Pick<HeadStatus, 'deliveries'>,
): string[] {
  if (way.mode !== undefined) return [head];
  const away = deliveries.filter(({ transport }) => transport === 'migrate');
  return (away.length > 0 ? away : deliveries).flatMap(({ direct: at }) => at ?? []);
}

/** Whether a delivery gets nothing while visits go this way: as experiments have it, see `waysOf`. */
export function isLeftOut(
  way: LiveWay,
  { transport }: Pick<DeliveryStatus, 'transport'>,
  transports: readonly Transport[],
): boolean {
  if (way.transport !== undefined) return transport !== way.transport;
  return way.mode !== undefined && transports.includes('migrate') && transport !== 'migrate';
}
