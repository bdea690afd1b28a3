/**
 * `baton status --ready`, which keepalived runs each second: nothing is loaded for it that it does not need (the command
 * line with all its options takes three times as long).
 */
import { connect } from 'node:net';
import { adminPathFor, trustedSocketPath } from '../../shared/paths.ts';
import type { Readiness } from '../../shared/status.ts';

/** A head that stands still is not ready, milliseconds. */
const WITHIN_MS = 1000;
const ANSWER_MAX = 16_384;

/** The answer of the head at an admin socket; no answer is one as well. */
export function askReady(admin: string, withinMs = WITHIN_MS): Promise<Readiness> {
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
    socket.on('error', ({ message }) => no(`no head answers: ${message}`));
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

/** Tells a person and a program. */
export async function tellReady(admin: string): Promise<void> {
  const { ready, why } = await askReady(admin);
  process.stdout.write(`${ready ? 'ready' : 'not ready'}: ${why}\n`);
  process.exitCode = ready ? 0 : 1;
}

/** The admin socket that `status --ready` names on a command line that says nothing else; undefined for any other. */
export function readyArguments([command, ...rest]: readonly string[]): string | undefined {
  if (command !== 'status' || rest.filter((word) => word === '--ready').length !== 1) return undefined;
  const [option, path, ...more] = rest.filter((word) => word !== '--ready');
  if (option === undefined) return adminPathFor(trustedSocketPath());
  if (path === undefined || path.startsWith('-') || more.length > 0) return undefined;
  if (option === '--admin-socket') return path;
  return option === '--socket' ? adminPathFor(path) : undefined;
}
