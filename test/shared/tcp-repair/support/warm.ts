/** Connections that have sent, so that they know their path, and that move: on a segment whose client is far away. */
import { setTimeout as delay } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { decodeSaved, encodeSaved, type SavedConnection } from '../../../../shared/tcp-repair/index.ts';
import { until } from '../../../support/until.ts';
import { type Agent, startAgent } from './agent.ts';
import type { HostMethods } from './host.ts';
import { type Opened, open } from './migrate.ts';
import type { Segment } from './segment.ts';

const MB = 1_000_000;
export const ROUND_TRIP_MS = 50;
/** What may be said of a path. */
export const congestion = { window: 700, roundTrip: 50_000, rate: 28_000_000, isFresh: true };

type Host = Agent<HostMethods>;

interface Moved {
  /** Where it is now. */
  readonly fd: number;
  readonly client: number;
  /** What travelled. */
  readonly state: SavedConnection;
}

interface Warm {
  /** A connection over which the head has answered so many megabytes, one after the other; what each took, milliseconds. */
  warm(answers: number): Promise<{ opened: Opened; times: number[] }>;
  /** Moves it to `to`, by default the delivery, with what was saved as `change` makes it. */
  move(opened: Opened, to?: Host, change?: (state: SavedConnection) => SavedConnection): Promise<Moved>;
  /** Serves what has moved; how long its next answer takes, milliseconds. */
  next(host: Host, moved: Pick<Moved, 'fd' | 'client'>): Promise<number>;
  end(host: Host, fd: number, opened: Opened): Promise<void>;
}

export const acknowledged = (host: Host, fd: number): Promise<number> =>
  until(
    'all is acknowledged',
    () => host.unacknowledged(fd),
    (bytes) => bytes === 0,
  );

export function warmOn(segment: Segment): Warm {
  return {
    async warm(answers) {
      const { client, head } = segment;
      segment.steer('head');
      const opened = await open(segment);
      await head.serve(opened.fd, MB);
      const times: number[] = [];
      for (let i = 0; i < answers; i++) {
        times.push(await client.fetch(opened.client, MB));
        await acknowledged(head, opened.fd);
      }
      return { opened, times };
    },
    async move({ fd, client }, to = segment.delivery, change = (state) => state) {
      const { head } = segment;
      await head.stopServing(fd);
      segment.steer('nobody');
      // What the client had sent to the head by then is on its way for half of this.
      await delay(ROUND_TRIP_MS);
      const { reason, message } = await head.freezeAndSave(fd);
      if (reason !== '') throw new Error(reason);
      const state = change(decodeSaved(message));
      const { handle, text } = await to.prepare(encodeSaved(state));
      if (handle < 0) throw new Error(text);
      await head.closeSilently(fd);
      segment.steer('delivery');
      return { fd: await to.activate(handle), client, state };
    },
    async next(host, moved) {
      await host.serve(moved.fd, MB);
      const took = await segment.client.fetch(moved.client, MB);
      await acknowledged(host, moved.fd);
      await host.stopServing(moved.fd);
      return took;
    },
    async end(host, fd, { client, listener }) {
      await segment.client.close(client);
      await host.close(fd);
      await segment.head.close(listener);
    },
  };
}

/** Segments that the kernel sends in one go at most: a window may be larger by that. */
export const IN_ONE_GO = 46;
export function isAbout(t: ExecutionContext, window: number, wanted: number, more = IN_ONE_GO): void {
  t.true(window >= wanted - Math.min(more, 2) && window <= wanted + more, `${window}, not about ${wanted}`);
}

const without = (...capabilities: string[]): string[] => [
  'setpriv',
  `--bounding-set=${capabilities.map((name) => `-${name}`).join(',')}`,
  `--inh-caps=${capabilities.map((name) => `-${name}`).join(',')}`,
];
/** A process beside the delivery that may repair, and may load no program. */
export const startWeakDelivery = ({ namespaces }: Segment): Promise<Host> =>
  startAgent<HostMethods>(namespaces.delivery, 'host.ts', without('bpf', 'sys_admin', 'perfmon'));
