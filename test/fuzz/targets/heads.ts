/** Request heads of every kind, right ones more often than wrong ones. */
import type { Dice } from '../dice.ts';

export const pieces = [
  'GET ',
  'HEAD ',
  'POST ',
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'CONNECT ',
  'OPTIONS ',
  ' HTTP/1.1\r\n',
  ' HTTP/1.0\r\n',
  ' HTTP/0.9\r\n',
  'RTSP/1.0',
  'ICE/1.0',
  '\r\n',
  '\n',
  '\r',
  '\r\n\r\n',
  ': ',
  'Host: x\r\n',
  'Connection: close\r\n',
  'Connection: keep-alive\r\n',
  'Content-Length: 5\r\n',
  'Transfer-Encoding: chunked\r\n',
  'content-length',
  'Upgrade: websocket\r\nConnection: Upgrade\r\n',
  'http://',
  'http://h?q',
  'https://u@h:1',
  '/',
  '*',
  '?',
  '#',
  '\t',
  '\x16\x03\x01',
  '\0',
  '\x7f',
  '\x80',
  '\xff',
  '%41',
  'close',
  ',',
] as const;

const methods = [
  'GET',
  'POST',
  'HEAD',
  'OPTIONS',
  'CONNECT',
  'M-SEARCH',
  'DESCRIBE',
  'SOURCE',
  'PRI',
  'PUT',
  'X',
  'GETT',
];
const targets = [
  '/',
  '/a?b=c',
  '*',
  '*x',
  '/a#b',
  '#b',
  '?q',
  'a',
  'a:80',
  '[::1]:80',
  '//x//',
  '/\x80\xff',
  'http://x',
  'http://',
  'http:///',
  'http://x?q',
  'http://x#f',
  'http://u:p@x:1/y',
  'rtsp://x/y',
  'HTTP://X/',
];
const versions = [
  'HTTP/1.1',
  'HTTP/1.0',
  'HTTP/0.9',
  'HTTP/2.0',
  'HTTP/1.2',
  'HTTP/3.0',
  'RTSP/1.0',
  'ICE/1.0',
  'http/1.1',
  'HTTP/1.10',
  '',
];
const lines = [
  'Host: x',
  'A: b',
  'X:',
  'A : b',
  ' folded',
  '\tfolded',
  'Content-Length: 0',
  'Content-Length: 5',
  'content-length : 3',
  'CONTENT-LENGTH:7',
  'Upgrade: y',
  'Connection: close',
  'connection:close',
  'Connection: close, keep-alive',
  'Connection: Upgrade',
  'Connection :close',
  'Connection:\tCLOSE ',
  'Transfer-Encoding: chunked',
  'transfer-encoding\t: gzip',
  'Connection: closed',
  'Connection:',
  'Proxy-Connection: close',
  'Expect: 100-continue',
  ': x',
  '',
  'no colon',
  'A: \x01',
  'A: \xe9',
];

const SYMBOLS = [
  '/',
  '*',
  '#',
  '?',
  ':',
  '@',
  '[',
  ']',
  '%41',
  '"',
  '|',
  '~',
  '\\',
  'a',
  '1',
  '.',
  '+',
  '<',
  '&',
  "'",
];

const target = (dice: Dice): string =>
  dice.oneIn(3)
    ? `/${dice.some(8, () => dice.pick(SYMBOLS)).join('')}`
    : dice.oneIn(6)
      ? dice.some(6, () => dice.pick(SYMBOLS)).join('')
      : dice.pick(targets);

/** With a body behind it, now and then. */
export function head(dice: Dice): string {
  const end = () => dice.mostly('\r\n', '\r\n', '\r\n', '\n', '\r', ' \r\n');
  const space = () => dice.mostly(' ', ' ', ' ', '  ', '     ', '\t');
  const before = dice.oneIn(6) ? dice.pick(['\r\n', '\r', '\n', '\r\r\n\n', ' ']) : '';
  const line = `${dice.mostly('GET', ...methods)}${space()}${target(dice)}${space()}${dice.mostly('HTTP/1.1', ...versions)}${end()}`;
  const fields = dice.some(5, () => `${dice.pick(lines)}${dice.oneIn(12) ? end() : '\r\n'}`).join('');
  const body = dice.oneIn(4)
    ? dice.pick(['hello', '5\r\nhello\r\n0\r\n\r\n', 'GET /next HTTP/1.1\r\n\r\n', '\r\n'])
    : '';
  return `${before}${line}${fields}${dice.mostly('\r\n', '\n')}${body}`;
}
