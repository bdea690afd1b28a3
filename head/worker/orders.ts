/** What the main thread tells a worker, and who does it. */
import type { ToWorker, Tuning } from '../worker-messages.ts';
import type { Lanes } from './lanes.ts';
import type { Passing } from './passing.ts';
import type { Postponed } from './postponed.ts';
import type { TerminatedReader, Terminator } from './terminated.ts';

export interface OrdersParts {
  readonly lanes: Lanes;
  readonly postponed: Postponed;
  readonly terminator: Terminator;
  readonly terminated: TerminatedReader;
  readonly passing: Passing;
  readonly accept: () => void;
  readonly tune: (tuning: Tuning) => void;
  readonly stop: (withinMs: number) => void;
}

export class Orders {
  readonly #parts: OrdersParts;

  constructor(parts: OrdersParts) {
    this.#parts = parts;
  }

  obey(message: ToWorker): void {
    const { lanes, postponed, terminator, terminated, passing, accept, tune, stop } = this.#parts;
    switch (message.type) {
      case 'accept':
        return accept();
      case 'tune':
        return tune(message.tuning);
      case 'join':
        lanes.join(message);
        return postponed.hurry();
      case 'leave':
        return lanes.leave(message.slot, message.successor);
      case 'settled':
        return lanes.settled(message);
      case 'weigh':
        return lanes.farReturns.weigh(message);
      case 'regained':
        return lanes.farReturns.regained(message);
      case 'forsaken':
        return lanes.farReturns.forsaken(message.ticket);
      case 'own-lane':
        return lanes.own(message.slot, message.lane);
      case 'hop':
        return lanes.moveTo(message);
      case 'quiesce':
        return lanes.quiesce(message.slot);
      case 'tls-names':
        return terminator.setNames(message.names);
      case 'tls-heard':
        return terminated.heard(message.fd, message.bytes, message.how);
      case 'tls-over':
        return terminated.over(message.fd, message.whole, message.lost);
      case 'freeze':
        return passing.freeze(message.round);
      case 'thaw':
        return passing.thaw();
      case 'depart':
        return passing.depart();
      case 'collect':
        return passing.collect();
      case 'release':
        passing.release();
        return stop(message.withinMs);
      case 'adopt':
        return passing.adopt(message.connections);
      case 'stop':
        return stop(message.withinMs);
    }
  }
}
