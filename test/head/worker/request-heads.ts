/** Request heads, whole and nearly so, and what the head makes of them. */
import fc from 'fast-check';
import { inspect, request } from '../../../head/worker/inspect/http.ts';

export const LIMIT = 16_384;
export const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');
export const verdict = (text: string, limit = LIMIT): number => inspect(latin1(text), text.length, limit);

/** The target that was found, and its path. */
export function found(text: string): { verdict: number; target: string; path: string; rest: string } {
  return {
    verdict: verdict(text),
    target: (request.lacksSlash ? '/' : '') + text.slice(request.targetStart, request.targetEnd),
    path: text.slice(request.targetStart, request.pathEnd),
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
