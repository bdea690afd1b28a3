/** Where a delivery's head is, and how to register with it: on this host by a Unix socket, on another by a link. */
import { addressBytes } from '../shared/addresses.ts';
import { BatonError } from '../shared/errors.ts';
import type { Logger } from '../shared/log.ts';
import { defaultSocketPath } from '../shared/paths.ts';
import { formatHostPort, parseHostPort } from '../shared/units.ts';
import { type Introduction, PROTOCOL_VERSION } from '../shared/wire/control.ts';
import { readSecret } from '../shared/wire/remote/secret.ts';
import { Holdings } from './remote/holdings.ts';
import { needToAdopt } from './remote/host.ts';
import { rehearse } from './remote/rehearsal.ts';
import { openRemoteSession } from './remote/session.ts';
import { openSession, type Session, type SessionEvents } from './session.ts';

export interface HeadAddress {
  /** The path, or HOST:PORT. */
  readonly name: string;
  /** Between two tries to register, milliseconds; undefined where it does not matter. */
  readonly longestRetryMs?: number;
  /** Registers. `active`: connections of earlier registrations that are open. */
  open(introduction: Introduction, active: number, events: SessionEvents): Promise<Session>;
}

/** A head that starts again is to find its deliveries at once; to be refused costs a delivery half a millisecond. */
const RETRY_MS = 50;

/** Throws what the options lack, or this host, for a head on another one; what may go wrong is logged. */
export function findHead(
  options: {
    head?: string | undefined;
    secret?: string | undefined;
    vip?: string | undefined;
  },
  log: Logger,
): HeadAddress {
  const name = options.head ?? defaultSocketPath();
  // A path with a colon has a slash as well, unless somebody is out for trouble.
  const address = name.includes('/') ? undefined : parseHostPort(name);
  if (!address)
    return { name, open: (introduction, active, events) => openLocal(name, introduction, active, events) };
  const { secret: file, vip } = options;
  const need = (option: string, problem: string) =>
    new BatonError('BAD_OPTION', {
      option,
      problem: `needed for a head on another host: ${problem}`,
      value: 'nothing',
    });
  if (file === undefined) throw need('--secret', 'the file with the secret that both share');
  if (vip === undefined) throw need('--vip', 'the address that clients connect to');
  const vips = vip.split(',');
  const head = { address, secret: readSecret(file), vips: vips.map(addressBytes) };
  for (const { found, mend } of needToAdopt(vips)) log.warn({ mend }, found);
  rehearse();
  const holdings = new Holdings();
  return {
    name: formatHostPort(address),
    longestRetryMs: RETRY_MS,
    open: (introduction, _active, events) => openRemoteSession(head, introduction, holdings, events),
  };
}

const openLocal = (path: string, introduction: Introduction, active: number, events: SessionEvents) =>
  openSession(path, { ...introduction, type: 'hello', version: PROTOCOL_VERSION, active }, events);
