/** What a head needs for deliveries of other hosts, as far as it can be had before this is the head: nothing is moved by it yet. */
import type { HeadSettings } from '../../shared/config.ts';
import { BatonError } from '../../shared/errors.ts';
import { canRepair } from '../../shared/tcp-repair/index.ts';
import { readSecret } from '../../shared/wire/remote/secret.ts';
import { attachSteering, type Steering } from '../steer/index.ts';
import { cardOf } from './default-interface.ts';
import { Flows } from './flows.ts';
import { rehearseFinding } from './found-flows.ts';
import { Ids } from './ids.ts';
import { rehearse, rehearseLink } from './warm-up.ts';

/** What can be known before it is opened. Throws NO_PRIVILEGE and SECRET_UNUSABLE. */
export function checkRemote({ control, secret }: HeadSettings): void {
  if (control === undefined || secret === undefined) return;
  needRepair();
  readSecret(secret);
}

/** What steers, before anything is moved by it. */
export interface PreparedRemote {
  readonly steering: Steering;
  /** Not begun. */
  readonly flows: Flows;
  readonly ids: Ids;
  readonly secret: Buffer;
  /** It is not needed. What another head has at work goes on. */
  discard(): Promise<void>;
}

/** Undefined for a head that has deliveries on its own host only. Throws a BatonError that says what this host lacks. */
export async function prepareRemote(
  { control, secret: file, interface: card, flows: capacity, adoptTimeout }: HeadSettings,
  listenHost: string,
): Promise<PreparedRemote | undefined> {
  if (control === undefined || file === undefined) return undefined;
  const secret = readSecret(file);
  needRepair();
  const steering = await attachSteering(card ?? cardOf(listenHost), { capacity });
  const ids = new Ids();
  const flows = new Flows(steering, undefined, ids);
  rehearse({ steering, flows, adoptTimeoutMs: adoptTimeout, ids });
  rehearseFinding(steering);
  await rehearseLink(secret);
  const discard = async () => {
    flows.close();
    if (steering.adopted) steering.close();
    else await steering.detach();
  };
  return { steering, flows, ids, secret, discard };
}

/** Lets go of steering; how many flows it still has, for which it stays at work. */
export async function release(steering: Steering, flows: Flows): Promise<number> {
  const { count } = flows;
  if (count > 0) steering.close();
  else await steering.detach();
  return count;
}

function needRepair(): void {
  const answer = canRepair();
  if (answer === true) return;
  throw new BatonError('NO_PRIVILEGE', {
    what: 'handing connections to other hosts (--control)',
    capability: 'CAP_NET_ADMIN',
    problem: answer.text,
  });
}
