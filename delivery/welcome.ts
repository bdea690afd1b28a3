/** How a delivery is let in by a head of this host: it says hello, and has its lanes and ways back with the answer. */
import { BatonError } from '../shared/errors.ts';
import { SystemError } from '../shared/sys/libc.ts';
import { createFdMessenger } from '../shared/sys/pass-fds.ts';
import { watchReadable } from '../shared/sys/readiness.ts';
import { closeFd } from '../shared/sys/sockets.ts';
import { connectSeqpacket } from '../shared/sys/unix-sockets.ts';
import {
  CONTROL_MESSAGE_MAX,
  decodeFromHead,
  encodeControl,
  type FromHead,
  type Hello,
} from '../shared/wire/control.ts';

/** How long a head may take to answer hello, milliseconds. */
const WELCOME_WITHIN_MS = 5000;

export interface Welcome {
  /** The control channel. */
  readonly fd: number;
  /** The head's name for the session. */
  readonly session: string;
  readonly lanes: readonly number[];
  readonly waysBack: readonly number[];
}

let messenger: ReturnType<typeof createFdMessenger> | undefined;

/**
 * Throws SystemError when there is no head at `path`, HEAD_REFUSED or PROTOCOL when it does not welcome us,
 * and the reason of `stop` when that comes first.
 */
export async function beWelcomed(path: string, hello: Hello, stop: AbortSignal): Promise<Welcome> {
  const fd = connectSeqpacket(path);
  messenger ??= createFdMessenger(CONTROL_MESSAGE_MAX);
  let welcome: { message: FromHead; fds: number[] };
  try {
    const bytes = encodeControl(hello);
    messenger.bytes.set(bytes);
    const sent = messenger.send(fd, bytes.length, 0);
    if (sent < 0) throw new SystemError('sendmsg', -sent);
    welcome = await receiveWelcome(fd, stop);
  } catch (error) {
    closeFd(fd);
    throw error;
  }
  const { message, fds } = welcome;
  if (message.type === 'welcome' && fds.length === message.lanes * (message.moves ? 2 : 1))
    return {
      fd,
      session: message.session,
      lanes: fds.slice(0, message.lanes),
      waysBack: fds.slice(message.lanes),
    };
  fds.forEach(closeFd);
  closeFd(fd);
  if (message.type === 'refused') throw refused(message);
  throw new BatonError('PROTOCOL', {
    problem: `${message.type} with ${fds.length} fds where welcome was due`,
  });
}

/** A head's no, in its own words. */
export const refused = ({ code, reason }: { code: string; reason: string }): BatonError =>
  new BatonError('HEAD_REFUSED', { reason, code });

/** The one control message that carries fds, so it is read here and not by the channel. */
function receiveWelcome(fd: number, stop: AbortSignal): Promise<{ message: FromHead; fds: number[] }> {
  return new Promise((resolve, reject) => {
    const onStop = () => settle(stop.reason as Error);
    stop.addEventListener('abort', onStop);
    const timer = setTimeout(
      () => settle(new BatonError('PROTOCOL', { problem: 'no welcome in time' })),
      WELCOME_WITHIN_MS,
    ).unref();
    const ready = watchReadable(fd, () => {
      const n = messenger!.receive(fd);
      if (n <= 0)
        return settle(
          new BatonError('PROTOCOL', { problem: 'it closed the connection instead of a welcome' }),
        );
      const fds = [...messenger!.fds.subarray(0, messenger!.received)];
      try {
        settle({ message: decodeFromHead(messenger!.bytes.subarray(0, n)), fds });
      } catch (error) {
        fds.forEach(closeFd);
        settle(error as Error);
      }
    });
    ready.unref();
    function settle(result: { message: FromHead; fds: number[] } | Error): void {
      clearTimeout(timer);
      stop.removeEventListener('abort', onStop);
      ready.close();
      if (result instanceof Error) reject(result);
      else resolve(result);
    }
  });
}
