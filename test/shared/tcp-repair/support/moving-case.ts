/** One connection that is to move, and what the states of it are made of. */
import type { RefusalReason } from '../../../../shared/tcp-repair/index.ts';
import { until } from '../../../support/until.ts';
import type { Agent } from './agent.ts';
import type { HostMethods } from './host.ts';
import { pattern } from './pattern.ts';
import type { RawMethods } from './raw-tcp.ts';
import type { Options } from './raw-wire.ts';

export const REQUEST = 3000;
export const ANSWER = 6000;
export const request = pattern(1, REQUEST);
export const answer = pattern(2, ANSWER);
export const WITHIN_MS = 10_000;

/** One connection of one case. */
export interface Case {
  readonly id: number;
  readonly fd: number;
  readonly options: Options;
  /** Its client, and the host that it is connected with. */
  readonly raw: Agent<RawMethods>;
  readonly head: Agent<HostMethods>;
}

export interface State {
  readonly name: string;
  /** What has happened when the head begins to move it; how much of the answer is written, if any. */
  before?(c: Case): Promise<unknown>;
  /** The client ends its side behind its request. */
  readonly finishes?: true;
  /** What the client does between freezing and the last look, its packets on their way to the head. */
  whileFrozen?(c: Case): Promise<void>;
  /** What it does when its packets are held. */
  whileHeld?(c: Case): Promise<void>;
  /** What it does before all else when its packets reach the delivery. */
  after?(c: Case): Promise<void>;
  /** How it ends; without it, moved. `changed`: the last look shows that something has come. */
  readonly ends?: RefusalReason | 'changed';
  /** Nobody is there to be answered. */
  readonly gone?: true;
  /** Reading stops at the urgent byte: the request is not looked at. */
  readonly unread?: true;
}

export const unread = (c: Case, bytes: number) =>
  until(
    `${bytes} bytes unread`,
    () => c.head.unread(c.fd),
    (n) => n === bytes,
  );
export const inState = (c: Case, state: string) =>
  until(
    state,
    () => c.head.info(c.fd),
    (info) => info.state === state,
  );
/** What comes before anything is acknowledged (RFC 6928: ten segments), or somewhat less. */
export const firstFlight = ({ options }: Case): number => 8 * (Math.max(88, options.mss) - 12);

/** In segments that the head takes. */
export async function sendRange(c: Case, from: number, to: number): Promise<void> {
  for (let at = from; at < to; at += 1000) await c.raw.segment(c.id, at, Math.min(to, at + 1000));
}
