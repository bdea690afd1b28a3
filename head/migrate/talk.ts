/** What a delivery of another host says once it has been welcomed, and who acts on it. */
import { BatonError } from '../../shared/errors.ts';
import type { FromRemote, RemoteHello } from '../../shared/wire/remote/messages.ts';
import type { Registration } from '../registrant.ts';
import type { NextHop } from '../steer/index.ts';
import { Announcements } from './announcements.ts';
import type { DoorParts } from './door.ts';
import type { Migrations } from './migrations.ts';
import type { Returns } from './returns.ts';

/** About connections that are in the book of flows. */
const SPEAK_OF_FLOWS: ReadonlySet<string> = new Set(['ended', 'holding', 'give']);

export interface TalkParts {
  readonly door: Pick<DoorParts, 'migration' | 'lanes' | 'log'>;
  readonly hello: RemoteHello;
  readonly member: Registration;
  readonly migrations: Migrations;
  readonly returns: Returns;
  /** Where its host is now. */
  readonly hop: () => NextHop;
}

export class Talk {
  readonly #parts: TalkParts;
  readonly #announcements: Announcements;
  /** Connections that it holds and that have not been said to be closed. */
  #held: number;
  #leaves = false;

  constructor(parts: TalkParts) {
    this.#parts = parts;
    this.#announcements = new Announcements(parts.door.migration.flows, parts.door.log);
    this.#held = parts.hello.active;
  }

  /** It takes leave. */
  get leaves(): boolean {
    return this.#leaves;
  }

  /** Throws PROTOCOL. */
  hear(message: FromRemote): void {
    const { door, hello, member, migrations, returns } = this.#parts;
    member.heard();
    // Of what it speaks may have been moved by a worker.
    if (SPEAK_OF_FLOWS.has(message.type)) door.lanes.read();
    switch (message.type) {
      case 'adopted':
        if (migrations.onAdopted(message.id, message.micros)) this.moved();
        return;
      case 'live':
        return migrations.onLive(message.ids);
      case 'refused':
        // The credit first: the client, when it is told, may come again at once.
        if (migrations.isCommitted(message.id)) this.lost();
        if (message.reason === 'id-in-use') door.migration.ids.collided();
        return migrations.onRefused(message.id, message.reason);
      case 'holding':
        return this.#announced(message);
      case 'ended':
        door.migration.flows.ended(message.gone, hello.name);
        return this.#close(message.closed);
      case 'pong':
        return member.pong(message.direct, message.left);
      case 'give':
        return returns.give(message);
      case 'draining':
        this.#leaves = true;
        return member.draining();
      default:
        throw new BatonError('PROTOCOL', { problem: `${message.type} after its welcome` });
    }
  }

  /** It has one more. */
  moved(): void {
    this.#held++;
  }

  /** It has one less, which it could not bring to life. Throws PROTOCOL. */
  lost(): void {
    this.#close(1);
  }

  /** It has adopted these from another head, whose place this one may have to take. */
  #announced({ ids, keys }: FromRemote & { type: 'holding' }): void {
    const { hello, member, hop } = this.#parts;
    this.#held += ids.length;
    member.elsewhere(ids.length);
    this.#announcements.take(hello, ids, Buffer.from(keys), hop());
  }

  #close(count: number): void {
    if (count > this.#held) throw new BatonError('PROTOCOL', { problem: 'more closed than it had adopted' });
    this.#held -= count;
    this.#parts.member.ended(count);
  }

  /** It is dropped. */
  end(): void {
    this.#parts.returns.end();
  }
}
