/**
 * Tells deliveries how the next request of a connection finds its delivery (`--distribute`): by which policy, and among whom.
 * Each is told again when that changes, with all that changes in a moment.
 */
import type { HeadSettings } from '../shared/config.ts';
import type { HeadStatus } from '../shared/status.ts';
import type { Distribute } from '../shared/wire/distribute.ts';
import { policyByName } from './choose/index.ts';
import type { Policy } from './choose/policy.ts';
import type { RegisteredDelivery } from './registered-delivery.ts';
import type { Registrant } from './registrant.ts';

/** Changes of so long are told together, milliseconds. */
const TOGETHER_MS = 10;
/** A delivery that is chosen for a path stays so for as long as this without asking, milliseconds. */
const LEASE_MS = 1000;

type Wanted = Pick<HeadSettings, 'distribute' | 'policy'>;

export class Distribution {
  #wanted: Wanted;
  readonly #members: () => readonly RegisteredDelivery[];
  /** What each has been told last, as text. */
  readonly #told = new WeakMap<Registrant, string>();
  #timer: NodeJS.Timeout | undefined;

  constructor(wanted: Wanted, members: () => readonly RegisteredDelivery[]) {
    this.#wanted = wanted;
    this.#members = members;
  }

  set(wanted: Wanted): void {
    this.#wanted = wanted;
    this.changed();
  }

  status(): Pick<HeadStatus, 'policy' | 'distribute' | 'distributesBy'> {
    const { policy, distribute } = this.#wanted;
    return { policy, distribute, distributesBy: this.#by(policyByName(policy)) };
  }

  #by({ byRequest = 'ask' }: Policy): Distribute['by'] {
    return this.#wanted.distribute === 'requests' ? byRequest : null;
  }

  /** Somebody has come, gone, drains or does no more. */
  changed(): void {
    this.#timer ??= setTimeout(() => this.#tell(), TOGETHER_MS).unref();
  }

  #tell(): void {
    this.#timer = undefined;
    const members = this.#members();
    for (const member of members) {
      const { registrant } = member;
      if (!registrant.distribute) continue;
      const message = this.#messageFor(member, members);
      const text = JSON.stringify(message);
      // Nothing need be said to who was never told.
      if (text === this.#told.get(registrant) || (!message.by && !this.#told.has(registrant))) continue;
      this.#told.set(registrant, text);
      registrant.distribute(message);
    }
  }

  #messageFor({ introduction }: RegisteredDelivery, members: readonly RegisteredDelivery[]): Distribute {
    const policy = policyByName(this.#wanted.policy);
    const by = this.#by(policy);
    const like = by ? members.filter((each) => isLike(introduction, each)) : [];
    return {
      type: 'distribute',
      by,
      key: policy.needs,
      leaseMs: LEASE_MS,
      deliveries: like.map(({ introduction: { name, weight } }) => ({ name, weight })),
    };
  }
}

/** Of this host, and of the same names: as the router has it. */
function isLike(
  { serves }: RegisteredDelivery['introduction'],
  { state, registrant, introduction }: RegisteredDelivery,
): boolean {
  const names = (all: readonly string[] | undefined) => all?.toSorted().join();
  return state === 'up' && registrant.transport === 'fd' && names(serves) === names(introduction.serves);
}
