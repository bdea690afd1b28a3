/** Where a delivery's head is, and how to register with it: on this host by a Unix socket, on another by a link. */
import { type Stats, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { BatonError } from '../shared/errors.ts';
import { trustedSocketPath } from '../shared/paths.ts';
import { SystemError } from '../shared/sys/libc.ts';
import { UNIX_PATH_BYTES } from '../shared/sys/unix-sockets.ts';
import { type HostPort, parseHostPort } from '../shared/units.ts';
import { type Introduction, type Moves, versionFor } from '../shared/wire/control.ts';
import type { Log } from './apart.ts';
import { openSession, type Session, type SessionEvents } from './session.ts';

export interface HeadAddress {
  /** The path, or HOST:PORT. */
  readonly name: string;
  /** It is on another host. */
  readonly isFar: boolean;
  /** Registers. `active`: connections of earlier registrations that are open. Rejects when `stop` comes first. */
  open(
    introduction: Introduction,
    active: number,
    events: SessionEvents,
    stop: AbortSignal,
    moves?: Moves,
  ): Promise<Session>;
}

/** One, or several as heads of other hosts. */
export type HeadNames = string | readonly string[] | undefined;

export interface FarOptions {
  readonly secret?: string | undefined;
  readonly vip?: string | undefined;
}

/** Of delivery/remote/heads.ts. */
export type FarHeads = (addresses: readonly HostPort[], options: FarOptions, log: Log) => HeadAddress[];

const namesOf = (head: HeadNames): readonly string[] =>
  typeof head === 'object' ? [...new Set(head)] : [head ?? trustedSocketPath()];

/** The address of a head on another host. A path with a colon has a slash as well, unless somebody is out for trouble. */
const farAddress = (name: string): HostPort | undefined =>
  name.includes('/') ? undefined : parseHostPort(name);

/** What registers with heads of other hosts is needed. */
export const areFar = (head: HeadNames): boolean =>
  namesOf(head).every((name) => farAddress(name) !== undefined);

/**
 * Throws what the options lack, or this host, for heads on other ones; what may go wrong is logged. `farHeads`: there where they
 * `areFar`.
 */
export function findHeads(
  options: FarOptions & { head?: HeadNames },
  log: Log,
  farHeads: FarHeads | undefined,
): HeadAddress[] {
  const { head } = options;
  const names = namesOf(head);
  const addresses = names.map(farAddress).filter((address) => address !== undefined);
  if (addresses.length === names.length && names.length > 0) return farHeads!(addresses, options, log);
  if (names.length === 1) return [localHead(names[0]!)];
  throw new BatonError('BAD_OPTION', {
    option: '--head',
    problem: 'several heads are heads of other hosts, HOST:PORT each',
    value: JSON.stringify(head),
  });
}

/** Throws SOCKET_UNUSABLE for a path that no socket can have. */
function localHead(path: string): HeadAddress {
  if (Buffer.byteLength(path) > UNIX_PATH_BYTES || path.includes('\0')) {
    throw new BatonError('SOCKET_UNUSABLE', {
      path,
      problem: `a path has at most the ${UNIX_PATH_BYTES} bytes that Linux allows (unix(7)), and no zero; name the head's with --head`,
    });
  }
  return {
    name: path,
    isFar: false,
    async open(introduction, active, events, stop, moves) {
      const version = versionFor(introduction);
      const hello = {
        ...introduction,
        type: 'hello',
        version,
        active,
        ...(moves && { moves, looks: true as const }),
      } as const;
      try {
        return await openSession(path, hello, events, stop);
      } catch (error) {
        throw error instanceof SystemError && error.call === 'connect' ? explain(error, path) : error;
      }
    },
  };
}

/** Why nobody can be reached at `path`, where somebody has to do something about it. */
function explain(error: SystemError, path: string): Error {
  switch (error.code) {
    case 'EACCES':
    case 'EPERM': {
      const uid = ownerOf(path);
      const own = process.getuid!();
      if (uid !== own) return new BatonError('HEAD_FORBIDDEN', { path, uid, own }, error);
      return new BatonError('SOCKET_UNUSABLE', { path, problem: `user ${own} may not go there` }, error);
    }
    case 'EPROTOTYPE':
      return notAHead(path, 'a socket of another type', error);
    case 'ECONNREFUSED': {
      const kind = statOf(path);
      if (!kind || kind.isSocket()) return error;
      return notAHead(path, kind.isDirectory() ? 'a directory' : 'a file', error);
    }
    case 'ENOTDIR':
    case 'ELOOP':
    case 'ENAMETOOLONG':
      return new BatonError('SOCKET_UNUSABLE', { path, problem: error.message }, error);
    default:
      return error;
  }
}

const notAHead = (path: string, found: string, cause: Error): BatonError =>
  new BatonError('NOT_A_HEAD', { path, found, option: '--head' }, cause);

/** The owner of the socket, or of the folder on the way to it that may be looked at last. */
const ownerOf = (path: string): number => statOf(path)?.uid ?? ownerOf(dirname(resolve(path)));

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    // Nor may its folder be read.
    return undefined;
  }
}
