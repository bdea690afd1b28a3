/** What a delivery of another host has of the head, and tells it of. */
import type { Logger } from '../../shared/log.ts';
import type { Registry } from '../registry.ts';
import type { Steering } from '../steer/index.ts';
import type { ToWorker } from '../worker-messages.ts';
import type { Flows } from './flows.ts';
import type { MigrationParts } from './moving.ts';
import type { ReturnsParts } from './returns.ts';
import type { WorkerLanes } from './worker-lanes.ts';

export interface DoorParts {
  readonly registry: Registry;
  readonly migration: MigrationParts & { readonly flows: Flows; readonly steering: Steering };
  /** Those that deliveries open for workers. */
  readonly lanes: WorkerLanes;
  readonly tell: (worker: number, message: ToWorker) => void;
  readonly log: Logger;
  readonly hasBegun: () => boolean;
  /** Resolves when deliveries may be registered: this is the head, and takes back what they give. */
  readonly begun: Promise<ReturnsParts>;
}

export interface DoorEvents {
  /** It has said who it is and what it has, and its host was found. */
  onArrival(): void;
  /** It has gone, and nothing of it is under way any more. */
  onEnd(): void;
}
