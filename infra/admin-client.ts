/**
 * Talks to a running head's admin interface: HTTP on the Unix socket `admin`. Each call takes at most 30 s. A head that
 * is not there is NOT_RUNNING; what it refuses comes back as the error that it named.
 */
import { BatonError, type ErrorCode, errorCatalogue } from '../shared/errors.ts';
import { harmless } from '../shared/harmless.ts';
import { request } from '../shared/node-http.ts';
import type { HeadStatus, Mode, Reloaded } from '../shared/status.ts';

/** A head answers within a millisecond; one in an emulated machine that others keep busy took more than 5 s. */
const WITHIN_MS = 30_000;
/** Longer than a head waits for its successor. */
const UPGRADE_WITHIN_MS = 90_000;
/** Far above any status or metrics answer. */
const ANSWER_MAX = 16 * 1024 * 1024;

export async function getStatus(admin: string): Promise<HeadStatus> {
  const text = await call(admin, 'GET', '/status');
  try {
    const status = JSON.parse(text) as Partial<HeadStatus> | null;
    if (typeof status?.mode === 'string' && Array.isArray(status.deliveries)) return status as HeadStatus;
  } catch {
    // The same as what is JSON and no status.
  }
  throw new BatonError('SOCKET_UNUSABLE', { path: admin, problem: 'what answers there is no head' });
}

/** Every connection accepted after this answers is treated in the new mode. */
export async function setMode(admin: string, mode: Mode): Promise<void> {
  await call(admin, 'PUT', '/mode', { mode });
}

/** Has the head read its configuration again. Rejects with what is wrong with it. */
export async function reload(admin: string): Promise<Reloaded> {
  return JSON.parse(await call(admin, 'POST', '/reload')) as Reloaded;
}

/** Prometheus text. */
export function getMetrics(admin: string): Promise<string> {
  return call(admin, 'GET', '/metrics');
}

/** A draining delivery keeps what it has and is sent nothing new. */
export async function setDrain(admin: string, name: string, on: boolean): Promise<void> {
  await call(admin, 'POST', `/deliveries/${encodeURIComponent(name)}/${on ? 'drain' : 'undrain'}`);
}

/** As `setDrain`, and what it has goes to others; false when it cannot give anything back. */
export async function drainByMoving(admin: string, name: string): Promise<boolean> {
  const text = await call(admin, 'POST', `/deliveries/${encodeURIComponent(name)}/drain?move`);
  return (JSON.parse(text) as { moves?: boolean }).moves === true;
}

/** Has the head start a successor; resolves when that has taken over. Throws what the head says where none has. */
export async function upgradeHead(admin: string): Promise<{ predecessor: number; pid: number }> {
  const text = await call(admin, 'POST', '/upgrade', undefined, UPGRADE_WITHIN_MS);
  return JSON.parse(text) as { predecessor: number; pid: number };
}

function call(
  admin: string,
  method: string,
  path: string,
  body?: object,
  withinMs = WITHIN_MS,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const outgoing = request(
      {
        socketPath: admin,
        method,
        path,
        // One question a connection: a command must not stay alive for a socket that is kept for the next one.
        agent: false,
        signal: AbortSignal.timeout(withinMs),
        headers:
          payload === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) },
      },
      (answer) => {
        let text = '';
        answer.setEncoding('utf8');
        answer.on('data', (part: string) => {
          text += part;
          if (text.length > ANSWER_MAX) answer.destroy(new Error('the answer is too large'));
        });
        answer.on('error', (error) => reject(unreachable(admin, error)));
        answer.on('end', () => {
          if (answer.statusCode !== undefined && answer.statusCode < 300) resolve(text);
          else reject(refusal(admin, answer.statusCode ?? 0, text));
        });
      },
    );
    outgoing.on('error', (error) => reject(unreachable(admin, error)));
    outgoing.end(payload);
  });
}

function unreachable(admin: string, error: NodeJS.ErrnoException): BatonError {
  if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') {
    return new BatonError('NOT_RUNNING', { path: admin }, error);
  }
  const problem =
    error.name === 'AbortError' || error.name === 'TimeoutError' ? 'no answer in time' : error.message;
  return new BatonError('SOCKET_UNUSABLE', { path: admin, problem }, error);
}

/** The head's own error, with the message that it wrote: only the head knows the details that are in it. */
function refusal(admin: string, status: number, text: string): BatonError {
  const { code, message } = readError(text) ?? { code: 'unknown', message: `the head answered ${status}` };
  if (!Object.hasOwn(errorCatalogue, code))
    return new BatonError('SOCKET_UNUSABLE', { path: admin, problem: message });
  const error = new BatonError(code as ErrorCode);
  error.message = harmless(message);
  return error;
}

function readError(text: string): { code: string; message: string } | undefined {
  try {
    const { error } = JSON.parse(text) as { error?: { code?: unknown; message?: unknown } };
    if (typeof error?.code !== 'string' || typeof error.message !== 'string') return undefined;
    return { code: error.code, message: error.message.replaceAll(/\s*\n\s*/g, ' ') };
  } catch {
    return undefined;
  }
}
