/**
 * The entry of the head's TLS thread: it speaks TLS for the modes that answer themselves, so that no handshake holds up a
 * worker. What a request asks for, and what it is answered, is the worker's business.
 */

import { createSecureContext, type SecureContext } from 'node:tls';
import { parentPort, workerData } from 'node:worker_threads';
import type { Certificate, FromTls, TlsLimits, ToTls } from './messages.ts';
import { byName } from './names.ts';
import { type Contexts, Session } from './session.ts';

const port = parentPort!;
/** Sessions have this object, not what is in it: it changes under them. */
const limits = workerData as { -readonly [key in keyof TlsLimits]: number };
const sessions = new Map<number, Session>();
let contexts: Contexts;

function tell(message: FromTls): void {
  if (message.type === 'over') sessions.delete(message.fd);
  port.postMessage(message);
}

function makeContexts(certificates: readonly Certificate[]): Contexts {
  const made = certificates.map(({ cert, key, names }) => ({
    names,
    value: createSecureContext({ cert, key, minVersion: 'TLSv1.2' }),
  }));
  const find = byName<SecureContext>(made);
  return { first: made[0]!.value, forName: find };
}

port.on('message', (message: ToTls) => {
  switch (message.type) {
    case 'certificates':
      contexts = makeContexts(message.certificates);
      break;
    case 'limits':
      Object.assign(limits, message.limits);
      break;
    case 'begin':
      try {
        sessions.set(message.fd, new Session(message.fd, contexts, limits, tell));
      } catch {
        tell({ type: 'over', fd: message.fd, whole: false });
      }
      break;
    case 'answer':
      sessions.get(message.fd)?.answer(message.bytes);
      break;
    case 'stop':
      for (const session of sessions.values()) session.hurry();
      break;
  }
});
