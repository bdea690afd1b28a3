/**
 * Who may ask the live page's server. Its address is of this machine alone and holds a token that nobody can guess; a page of
 * another site that a browser has open is kept out by the names that browsers give themselves away with.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

const TOKEN_BYTES = 32;

export const createToken = (): string => randomBytes(TOKEN_BYTES).toString('base64url');

export interface Refusal {
  readonly status: 400 | 403 | 404 | 405 | 415;
  readonly problem: string;
}

export interface Let {
  /** What is asked for, behind the token. */
  readonly path: string;
  readonly query: URLSearchParams;
}

/** `host`: as in the address that was printed, `127.0.0.1:PORT`. */
export function letIn({ method, url, headers }: IncomingMessage, host: string, token: string): Let | Refusal {
  // Another name that leads here is what a site uses that rebinds its own (DNS rebinding).
  if (headers.host !== host) return { status: 403, problem: `this is http://${host}` };
  const [, given = '', path] = /^\/([A-Za-z0-9_-]{1,100})\/([^?#]*)/.exec(url ?? '') ?? [];
  if (path === undefined || !isSame(given, token)) return { status: 404, problem: 'there is nothing here' };
  const origin = `http://${host}`;
  if (headers.origin !== undefined && headers.origin !== origin)
    return { status: 403, problem: 'another site asks' };
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none')
    return { status: 403, problem: 'another site asks' };
  if (method === 'POST') {
    // Browsers send it with every POST.
    if (headers.origin !== origin) return { status: 403, problem: 'a deed takes the Origin of this page' };
    if (headers['content-type'] !== 'application/json')
      return { status: 415, problem: 'a deed is application/json' };
  } else if (method !== 'GET' && method !== 'HEAD') {
    return { status: 405, problem: 'GET, or POST for deeds' };
  }
  return { path, query: new URL(url!, origin).searchParams };
}

function isSame(given: string, token: string): boolean {
  const [one, other] = [Buffer.from(given), Buffer.from(token)];
  return one.length === other.length && timingSafeEqual(one, other);
}
