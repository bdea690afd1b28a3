/**
 * `baton status --ready`, which keepalived runs each second, with `--for`: nothing is loaded for it that it does not need (the command
 * line with all its options takes three times as long).
 */
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { adminPathFor, trustedSocketPath } from '../../shared/paths.ts';
import type { Readiness } from '../../shared/status.ts';
import { parseDuration } from '../../shared/units.ts';

/** A head that stands still is not ready, milliseconds. */
const WITHIN_MS = 1000;
/** A head that has just taken over waits for its deliveries for a moment: who says no for so long means it, milliseconds. */
const PATIENCE_MS = 1000;
/** While it is watched, how often it is asked, milliseconds. */
const ASK_EVERY_MS = 100;
/** `--for`, milliseconds. */
export const FOR_MS = { least: 100, most: 3_600_000 } as const;
const ANSWER_MAX = 16_384;

interface Answer extends Readiness {
  /** Nobody listens there: not a head that is busy, nor one that is replaced. */
  readonly isGone?: true;
}

/** The answer of the head at an admin socket; no answer is one as well. */
export function askReady(admin: string, withinMs = WITHIN_MS): Promise<Answer> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect(admin);
    const settle = (readiness: Readiness) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(readiness);
    };
    const no = (why: string) => settle({ ready: false, why });
    const timer = setTimeout(() => no('the head does not answer'), withinMs);
    socket.setEncoding('latin1');
    socket.on('error', ({ message, code }: NodeJS.ErrnoException) => {
      const isGone = code === 'ECONNREFUSED' || code === 'ENOENT';
      settle({ ready: false, why: `no head answers: ${message}`, ...(isGone && { isGone }) });
    });
    socket.on('data', (part: string) => {
      text += part;
      if (text.length > ANSWER_MAX) no('what answers there is no head');
    });
    socket.on('end', () => settle(parse(text)));
    socket.end('GET /ready HTTP/1.1\r\nHost: baton\r\nConnection: close\r\n\r\n');
  });
}

function parse(text: string): Readiness {
  try {
    const { ready, why } = JSON.parse(text.slice(text.indexOf('\r\n\r\n'))) as Partial<Readiness>;
    if (typeof ready === 'boolean' && typeof why === 'string') return { ready, why };
  } catch {
    // The same as what is JSON and no answer.
  }
  return { ready: false, why: 'what answers there is no head, or one of an earlier release' };
}

/**
 * Watches the head: a head that is ready is asked again until `forMs` have passed since `sinceMs` (of performance.now()), one that is not until it is.
 * No as soon as nobody listens, or when it was not ready, or stood still, for a second.
 */
export async function watchReady(
  admin: string,
  forMs: number,
  sinceMs = performance.now(),
): Promise<Readiness> {
  const until = sinceMs + forMs;
  let notSince: number | undefined;
  for (;;) {
    const askedAt = performance.now();
    const { isGone, ...answer } = await askReady(admin);
    const now = performance.now();
    if (!answer.ready) notSince ??= askedAt;
    if (answer.ready ? notSince !== undefined || now >= until : isGone || now - notSince! >= PATIENCE_MS)
      return answer;
    await delay(ASK_EVERY_MS);
  }
}

/** Tells a person and a program. `forMs`: watches it for so long since this process began, however long that took. `who`: whose answer it is. */
export async function tellReady(admin: string, forMs?: number, who = ''): Promise<void> {
  const { ready, why } = await (forMs === undefined ? askReady(admin) : watchReady(admin, forMs, 0));
  process.stdout.write(`${who}${ready ? 'ready' : 'not ready'}: ${why}\n`);
  // Who asks several is told no when one of them says so.
  if (!ready) process.exitCode = 1;
}

interface ReadyArguments {
  readonly admin: string;
  readonly forMs?: number;
}

/** What `status --ready` names on a command line that says nothing else; undefined for any other. */
export function readyArguments([command, ...rest]: readonly string[]): ReadyArguments | undefined {
  if (command !== 'status' || rest.filter((word) => word === '--ready').length !== 1) return undefined;
  const words = rest.filter((word) => word !== '--ready');
  const at = words.indexOf('--for');
  const [, text] = at < 0 ? [] : words.splice(at, 2);
  const forMs = text === undefined ? undefined : parseDuration(text);
  // What is wrong with it, the command line with all its options says.
  if (at >= 0 && (forMs === undefined || forMs < FOR_MS.least || forMs > FOR_MS.most)) return undefined;
  const asked = forMs === undefined ? {} : { forMs };
  const [option, path, ...more] = words;
  if (option === undefined) return { admin: adminPathFor(trustedSocketPath()), ...asked };
  if (path === undefined || path.startsWith('-') || more.length > 0) return undefined;
  if (option === '--admin-socket') return { admin: path, ...asked };
  return option === '--socket' ? { admin: adminPathFor(path), ...asked } : undefined;
}
