/**
 * Sockets that a head is started with: by units of type socket, from systemd's store, or by `baton keeper` (sd_listen_fds(3)). They
 * are the fds from 3 on, and what each is for is said by its name: `FileDescriptorName=` in a unit of type socket.
 */
import { type InheritedSocket, type SocketKind, socketKinds } from '../../head/inherited.ts';
import { BatonError } from '../../shared/errors.ts';
import { setCloseOnExec } from '../../shared/sys/sockets.ts';
import { LANES_MAX } from '../../shared/wire/control.ts';

const FIRST_FD = 3;
/** A listener for each worker, twice, and one of each other kind, twice: those that are stored as well. */
const SOCKETS_MAX = 2 * (LANES_MAX + socketKinds.length);
/** Who has kept a socket for an earlier process calls it this and its kind. */
const KEPT = 'kept-';

/** How a socket is called where it is kept. */
export const keptName = ({ kind, index }: Pick<InheritedSocket, 'kind' | 'index'>): string =>
  `${KEPT}${kind}-${index}`;

export interface GivenSocket extends InheritedSocket {
  /** What whoever gave it calls it. */
  readonly name: string;
}

/**
 * The variables of sd_listen_fds(3). A keeper cannot know the pid of what it starts, and gives its own; who is started gives it to
 * nobody else.
 */
const VARIABLES = ['LISTEN_PID', 'LISTEN_PIDFDID', 'LISTEN_FDS', 'LISTEN_FDNAMES', 'BATON_KEEPER_PID'];

interface ThisProcess {
  readonly env: NodeJS.ProcessEnv;
  readonly pid: number;
}

/** Takes them out of the environment, so that they come to no child. Throws INHERITED_UNUSABLE. */
export function takeGivenSockets({ env, pid }: ThisProcess = process): GivenSocket[] {
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES, BATON_KEEPER_PID } = env;
  for (const name of VARIABLES) delete env[name];
  // Of whoever was started before us in the same environment.
  const isForUs = LISTEN_PID === String(pid) || (LISTEN_PID === undefined && BATON_KEEPER_PID !== undefined);
  if (!isForUs || LISTEN_FDS === undefined) return [];
  const count = /^\d{1,9}$/.test(LISTEN_FDS) ? Number(LISTEN_FDS) : -1;
  if (count < 0 || count > SOCKETS_MAX)
    throw unusable(
      `${count < 0 ? 'an unknown number' : count} of sockets`,
      `at most ${SOCKETS_MAX} can be of use`,
    );
  const names = LISTEN_FDNAMES === undefined ? [] : LISTEN_FDNAMES.split(':');
  const sockets = Array.from({ length: count }, (_, at) => read(FIRST_FD + at, names[at] ?? ''));
  // Those that are kept come behind the others, in the order of their numbers: what a head opened beside those it was given.
  const ordered = sockets.toSorted((a, b) => Number(a.isKept) - Number(b.isKept) || a.number - b.number);
  const seen = new Map<SocketKind, number>();
  return ordered.map(({ number: _, ...socket }) => {
    const index = seen.get(socket.kind) ?? 0;
    seen.set(socket.kind, index + 1);
    return { ...socket, index };
  });
}

function read(fd: number, name: string) {
  setCloseOnExecOf(fd, name);
  const isKept = name.startsWith(KEPT);
  const [, plain, number = '0'] = /^(.*?)(?:-(\d{1,6}))?$/.exec(isKept ? name.slice(KEPT.length) : name)!;
  const kind = socketKinds.find((one) => one === plain);
  if (kind !== undefined) return { kind, fd, name, isKept, number: isKept ? Number(number) : fd };
  const known = socketKinds.join(', ');
  throw unusable(`fd ${fd} ("${name}")`, `FileDescriptorName= says what a socket is for, one of ${known}`);
}

function setCloseOnExecOf(fd: number, name: string): void {
  try {
    setCloseOnExec(fd);
  } catch (error) {
    throw unusable(`fd ${fd} ("${name}")`, `it is not open (${(error as Error).message})`);
  }
}

const unusable = (what: string, problem: string): BatonError =>
  new BatonError('INHERITED_UNUSABLE', { what, problem });
