/** What a delivery says of itself, made of its options and of the server that it feeds. */
import type { Server } from 'node:net';
import { BatonError } from '../shared/errors.ts';
import { DEFAULT_CREDITS, deliveryFilesBesides } from '../shared/open-files.ts';
import { randomId } from '../shared/random-id.ts';
import { isReachable } from '../shared/reachable.ts';
import { normalizeName } from '../shared/served-names.ts';
import { openFilesLimit } from '../shared/sys/limits.ts';
import { formatHostPort } from '../shared/units.ts';
import { type Introduction, introduction } from '../shared/wire/control.ts';

export interface SelfDescription {
  readonly name?: string | undefined;
  readonly credits?: number | undefined;
  readonly weight?: number | undefined;
  readonly direct?: string | null | undefined;
  readonly directTls?: Introduction['directTls'];
  readonly serves?: readonly string[] | undefined;
}

/** One for each receiver: pids are the same in every container, and in every thread of a process. */
export const uniqueName = (): string => `delivery-${process.pid}-${randomId(6)}`;

/** Throws FD_LIMIT or BAD_OPTION. */
export function introduce(server: Server, options: SelfDescription): Introduction {
  const limit = openFilesLimit() - deliveryFilesBesides;
  const credits = options.credits ?? Math.max(1, Math.min(DEFAULT_CREDITS, limit));
  if (credits > limit) {
    throw new BatonError('FD_LIMIT', {
      limit: openFilesLimit(),
      need: credits + deliveryFilesBesides,
      option: '--credits',
    });
  }
  const wanted = {
    name: options.name ?? uniqueName(),
    pid: process.pid,
    credits,
    weight: options.weight ?? 1,
    direct: options.direct === undefined ? directAddress(server) : options.direct,
    ...withTls(options.directTls ?? (isTls(server) ? 'only' : undefined)),
    ...(options.serves === undefined ? {} : { serves: options.serves.map(normalizeName) }),
  };
  const parsed = introduction.safeParse(wanted);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.issue;
  const option = String(path[0]);
  throw new BatonError('BAD_OPTION', {
    option,
    problem: message,
    value: JSON.stringify(wanted[option as keyof typeof wanted]),
  });
}

const withTls = (directTls: Introduction['directTls']) => (directTls === undefined ? {} : { directTls });

/** Known without loading Node's TLS where nobody else has. */
const isTls = (server: Server): boolean => 'setSecureContext' in server;

/** Where the server listens, if clients can be sent there: not to a path, nor to every address. */
export function directAddress(server: Server): string | null {
  const address = server.address();
  if (address === null || typeof address === 'string') return null;
  const text = formatHostPort({ host: address.address, port: address.port });
  return isReachable(text) ? text : null;
}
