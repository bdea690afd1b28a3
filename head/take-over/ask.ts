/** How a head is asked for all that it has: at its admin socket, with an upgrade (RFC 9110, section 7.8), by a process of the same user. */
import { BatonError } from '../../shared/errors.ts';
import { EAGAIN, type SystemError } from '../../shared/sys/libc.ts';
import { createFdMessenger } from '../../shared/sys/pass-fds.ts';
import { watchReadable } from '../../shared/sys/readiness.ts';
import { closeFd, setCloseOnExec } from '../../shared/sys/sockets.ts';
import { connectUnix, peerCredentials } from '../../shared/sys/unix-sockets.ts';
import { TAKE_OVER_VERSIONS } from '../../shared/wire/take-over.ts';
import { refusal } from './faults.ts';

export const ANSWER_WITHIN_MS = 5000;
const ANSWER_MAX = 16_384;

interface Answer {
  /** The socket that the predecessor answers with. */
  readonly end: number;
  /** That both speak. */
  readonly version: number;
}

/** Throws NOT_RUNNING and TAKE_OVER_REFUSED. */
export async function ask(admin: string): Promise<Answer> {
  let fd: number;
  try {
    fd = connectUnix(admin, 'stream');
  } catch (error) {
    const { code } = error as SystemError;
    if (code === 'ENOENT' || code === 'ECONNREFUSED') throw new BatonError('NOT_RUNNING', { path: admin });
    throw refusal(`its admin socket ${admin}: ${(error as Error).message}`);
  }
  try {
    const { uid } = peerCredentials(fd);
    if (uid !== process.getuid!())
      throw refusal(`it is a head of user ${uid}, and this is ${process.getuid!()}`);
    const messenger = createFdMessenger(ANSWER_MAX);
    const versions = TAKE_OVER_VERSIONS.map((version) => `baton-take-over/${version}`).join(', ');
    const request = `GET /take-over HTTP/1.1\r\nHost: baton\r\nConnection: Upgrade\r\nUpgrade: ${versions}\r\n\r\n`;
    const sent = messenger.send(fd, messenger.bytes.write(request), 0);
    if (sent < 0) throw refusal('it takes no question');
    return await answerOn(fd, messenger);
  } finally {
    closeFd(fd);
  }
}

function answerOn(fd: number, messenger: ReturnType<typeof createFdMessenger>): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  let text = '';
  const timer = setTimeout(() => reject(refusal('it does not answer')), ANSWER_WITHIN_MS);
  const ready = watchReadable(fd, () => {
    const n = messenger.receive(fd);
    if (n === EAGAIN) return;
    const [end, ...others] = messenger.fds.subarray(0, n > 0 ? messenger.received : 0);
    others.forEach(closeFd);
    if (n > 0) text += messenger.bytes.toString('latin1', 0, n);
    if (end !== undefined) {
      setCloseOnExec(end);
      const version = Number(/^Upgrade: baton-take-over\/(\d{1,9})\r$/m.exec(text)?.[1]);
      if (TAKE_OVER_VERSIONS.includes(version)) return resolve({ end, version });
      closeFd(end);
      return reject(refusal('it answered in a version that was not asked for'));
    }
    const said = reasonIn(text);
    if (said !== undefined) reject(refusal(said));
    else if (n <= 0 || text.length > ANSWER_MAX) reject(refusal('it cut off who asked'));
  });
  return promise.finally(() => {
    clearTimeout(timer);
    ready.close();
  });
}

/** What a head says in the body of a refusal. */
function reasonIn(answer: string): string | undefined {
  const body = answer.slice(answer.indexOf('\r\n\r\n') + 4);
  try {
    const { error } = JSON.parse(body) as { error?: { message?: unknown; code?: unknown } };
    if (error?.code === 'USAGE') return 'it is of a release that hands over to nobody; restart it instead';
    return typeof error?.message === 'string' ? error.message : undefined;
  } catch {
    return undefined;
  }
}
