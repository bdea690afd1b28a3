/** What a policy is: how the head picks one of several deliveries for a connection. */
import type { ByRequest } from '../../shared/wire/distribute.ts';
import type { FoundKey } from '../found.ts';
import type { Loads } from '../scoreboard.ts';

/** The deliveries that can take this connection, as slots of the scoreboard; never empty when a policy is asked. */
export interface Candidates {
  readonly slots: Int32Array;
  count: number;
}

/**
 * One worker's chooser. It may keep state of its own; it allocates nothing. Returns one of the candidates' slots.
 * `keyHash`: FNV-1a of what the policy needs to know; 0 when it needs nothing.
 */
export type Choose = (candidates: Candidates, keyHash: number) => number;

/** A number that an operator may give behind the policy's name, as in `lard:high=130`. */
export interface Parameter {
  readonly value: number;
  readonly min: number;
  readonly max: number;
}

/** What a policy has besides the deliveries. */
interface Own {
  /** By the names of its parameters. */
  readonly parameters: Readonly<Record<string, number>>;
  /** `sharedBytes` of memory, the same for all workers, zero when the head starts. Whoever writes there does so beside the others. */
  readonly shared: SharedArrayBuffer;
}

export interface Policy {
  readonly name: string;
  /** One line for `--help`. */
  readonly summary: string;
  /**
   * The client's IP address, or a part of its first bytes: the path of its first request, without the query; the name of the
   * server that it asks for.
   */
  readonly needs: 'nothing' | 'address' | FoundKey;
  /** How a delivery knows whether it keeps a connection whose next request has come; without it the head is asked each time. */
  readonly byRequest?: ByRequest;
  readonly parameters?: Readonly<Record<string, Parameter>>;
  readonly sharedBytes?: number;
  /** `nameHash[slot]`: FNV-1a of the delivery's name. */
  create(loads: Loads, nameHash: Uint32Array, own: Own): Choose;
}
