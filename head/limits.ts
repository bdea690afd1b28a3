/** What a head may hold by its settings and by this process's limits. */
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { resolve } from 'node:path';
import type { HeadSettings } from '../shared/config.ts';
import { BatonError } from '../shared/errors.ts';
import { headFilesBesides, headFilesNeeded } from '../shared/open-files.ts';
import { limitOpenFiles, openFilesLimit } from '../shared/sys/limits.ts';
import { parseHostPort } from '../shared/units.ts';
import { policyOf } from './choose/index.ts';

/** Connections of one head when nobody says otherwise, however many files it may open: its tables are sized by the limit. */
const CONNECTIONS_MAX = 1 << 20;

export interface Limits {
  /** Connections that each worker may hold. */
  readonly connectionsAWorker: number;
  /** One more than the highest fd that the process can have. */
  readonly fdCapacity: number;
}

/** Throws FD_LIMIT and BAD_OPTION. */
export function limitsOf({ workers, maxConnections }: HeadSettings): Limits {
  needOneEach(workers, maxConnections);
  const limit = openFilesLimit();
  const besides = headFilesBesides(workers);
  const need = headFilesNeeded(workers, maxConnections);
  if (limit < need) {
    const option = maxConnections === undefined ? '--workers' : '--max-connections';
    throw new BatonError('FD_LIMIT', { limit, need, option });
  }
  // The kernel hands out fds below the limit only, so where it is higher than what can be of use it is lowered.
  const fdCapacity = Math.min(limit, CONNECTIONS_MAX + besides);
  if (fdCapacity < limit) limitOpenFiles(fdCapacity);
  return { connectionsAWorker: Math.floor((maxConnections ?? fdCapacity - besides) / workers), fdCapacity };
}

function needOneEach(workers: number, maxConnections: number | undefined): void {
  if (maxConnections === undefined || maxConnections >= workers) return;
  const problem = `at least one for each of the ${workers} workers; or give fewer --workers`;
  throw new BatonError('BAD_OPTION', { option: '--max-connections', problem, value: maxConnections });
}

/** How many each of `workers` that run may hold from now on, with tables as large as they are. Throws FD_LIMIT and BAD_OPTION. */
export function connectionsWithin(
  fdCapacity: number,
  workers: number,
  maxConnections: number | undefined,
): number {
  needOneEach(workers, maxConnections);
  const need = headFilesNeeded(workers, maxConnections);
  if (fdCapacity < need)
    throw new BatonError('FD_LIMIT', { limit: fdCapacity, need, option: '--max-connections' });
  return Math.floor((maxConnections ?? fdCapacity - headFilesBesides(workers)) / workers);
}

/** What the schema can not see. Throws BAD_OPTION. */
export function checkSettings(
  settings: HeadSettings,
  socket: string,
  admin: string,
): { group: number | undefined } {
  const wrong = (option: string, problem: string, value: string): BatonError =>
    new BatonError('BAD_OPTION', { option, problem, value: JSON.stringify(value) });
  try {
    policyOf(settings.policy);
  } catch (error) {
    throw wrong('--policy', (error as Error).message, settings.policy);
  }
  if (resolve(socket) === resolve(admin))
    throw wrong('--admin-socket', "give another path than the deliveries' --socket has", admin);
  const { group, control, secret } = settings;
  if (control !== undefined && secret === undefined) {
    const problem = 'needed with --control: a file with the secret that remote deliveries share';
    throw new BatonError('BAD_OPTION', { option: '--secret', problem, value: 'nothing' });
  }
  needOneAddress(settings);
  if (group === undefined) return { group };
  const id = groupId(group);
  if (id === undefined)
    throw wrong('--group', 'there is no such group in /etc/group; a number will do', group);
  return { group: id };
}

/** Two heads share one address, which is here or not. */
function needOneAddress({ holdUnknown, control, listen }: HeadSettings): void {
  if (holdUnknown === 0) return;
  const refuse = (option: string, problem: string, value: string): BatonError =>
    new BatonError('BAD_OPTION', { option, problem, value });
  if (control === undefined)
    throw refuse(
      '--control',
      'needed with --hold-unknown: deliveries of other hosts tell of connections there',
      'nothing',
    );
  const { host } = parseHostPort(listen)!;
  if (isIP(host) === 0 || /^(0\.0\.0\.0|[0:]+)$/.test(host))
    throw refuse(
      '--listen',
      'with --hold-unknown name the one IP address that the heads share',
      JSON.stringify(listen),
    );
}

/** Undefined when there is none of the name. group(5): name, password, number, members. */
function groupId(group: string): number | undefined {
  if (/^\d{1,10}$/.test(group)) return Number(group);
  const lines = readFileSync('/etc/group', 'utf8').split('\n');
  const found = lines.map((line) => line.split(':')).find(([name]) => name === group);
  return found?.[2] === undefined ? undefined : Number(found[2]);
}
