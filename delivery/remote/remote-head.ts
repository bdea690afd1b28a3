/** A head of another host, as a delivery is told of it. */
import type { HostPort } from '../../shared/units.ts';
import type { GivenBack } from './given-back.ts';

export interface RemoteHead {
  readonly address: HostPort;
  readonly secret: Buffer;
  /** Addresses that this host shares with the head, as bytes. */
  readonly vips: readonly Uint8Array[];
  /** There are others, which give connections as well, and are told of this one's. */
  readonly isOneOfSeveral: boolean;
  /** What it is given back. */
  readonly givenBack: GivenBack;
}
