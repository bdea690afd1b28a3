/** Request heads, whole and nearly so, and what the head makes of them. */
import fc from 'fast-check';
import { createFound } from '../../../head/found.ts';
import type { InspectionFailure } from '../../../head/refusals.ts';
import { inspect as inspectInto } from '../../../head/worker/inspect/index.ts';
import { REFUSED } from '../../../head/worker/inspect/kind.ts';

export const LIMIT = 16_384;
export const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');

/** Why a head is refused, as verdicts. */
export const [NOT_HTTP, TOO_LARGE] = ['not_http', 'head_too_large'] as const;
export type Verdict = number | InspectionFailure;

/** What the last inspection has found. */
export const request = createFound();

/** INCOMPLETE, COMPLETE, or why it is refused. */
export function inspect(bytes: Uint8Array, length: number, limit: number): Verdict {
  const verdict = inspectInto(request, bytes, length, limit);
  return verdict === REFUSED ? request.failure : verdict;
}

export const verdict = (text: string, limit = LIMIT): Verdict => inspect(latin1(text), text.length, limit);

/** All that was found, apart from where. */
export const allFound = () => ({ ...request, keys: structuredClone(request.keys), bytes: undefined });

/** The target that was found, and its path. */
export function found(text: string): { verdict: Verdict; target: string; path: string; rest: string } {
  return {
    verdict: verdict(text),
    target: (request.lacksSlash ? '/' : '') + text.slice(request.targetStart, request.targetEnd),
    path: text.slice(request.keys.path.start, request.keys.path.end),
    rest: text.slice(request.end),
  };
}

export const nearlyHttp = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        'GET',
        'HEAD',
        'PRI',
        ' ',
        '/',
        '*',
        '?',
        ':',
        '#',
        'http://',
        'h',
        'HTTP/1.',
        '1',
        '0',
      ),
      fc.constantFrom(
        'HTTP/2.0',
        '\r\n',
        '\n',
        '\r',
        '\r\n\r\n',
        'Host: x',
        '\x16\x03',
        '\0',
        '\x7f',
        '\xff',
      ),
      fc.constantFrom('GET /path?q=1 HTTP/1.1', 'OPTIONS * HTTP/1.0', 'M-SEARCH http://a:1/b?c HTTP/1.1\n'),
      fc.string({ maxLength: 3 }),
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(''));

/** The same grammar as one regular expression: what a complete request head looks like. */
export const grammar =
  /^[\r\n]*(?:CONNECT +[^\0-\x20\x7f]*|(?!CONNECT )[!#$%&'*+\-.^_`|~0-9A-Za-z]+ +(?:\/[^\0-\x20\x7f]*|\*[^\0-\x20\x7f]*|[A-Za-z][A-Za-z0-9+\-.]*:\/\/[^\0-\x20\x7f]*))(?: +(?:HTTP\/(?:1\.[0-9]|0\.9|(?<!^[\r\n]*PRI .*)2\.0)|(?:RTSP|ICE)\/[0-9]\.[0-9])\r?(?=\n)|\r?(?=\n))[\s\S]*?\n\r?\n/;
