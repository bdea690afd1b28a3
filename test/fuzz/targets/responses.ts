import { HEAD_BYTES_MAX, ResponseParser } from '../../../infra/visits/response.ts';
import { Dice } from '../dice.ts';
import { NodeParser } from '../node-parser.ts';
import { hasControls, hold, same, type Target } from '../target.ts';

const node = new NodeParser('answer');
const fields = [
  'Content-Length: 5',
  'Content-Length: 0',
  'Content-Length: 05',
  'Transfer-Encoding: chunked',
  'transfer-encoding: gzip, chunked',
  'Connection: close',
  'Connection: keep-alive',
  'Location: /x',
  'Location: http://h/\xe9',
  'X: y',
  ' folded',
  'bad',
  ': x',
];
const bodies = [
  'hello',
  '',
  '5\r\nhello\r\n0\r\n\r\n',
  '5;x=y\r\nhello\r\n0\r\nT: v\r\n\r\n',
  '0\r\n\r\n',
  '5\nhello',
  'fffffffffff\r\n',
  '1\r\nab\r\n',
];

/** What a server answers to a visit: read alike in whatever pieces it comes, and not otherwise than by Node's own client. */
export const responses: Target = {
  about: 'what a server answers to a visit',
  code: ['infra/visits/response.ts'],
  words: [
    ...fields.map((field) => `${field}\r\n`),
    ...bodies,
    'HTTP/1.1 200 OK\r\n',
    'HTTP/1.1 100 Continue\r\n\r\n',
    'HTTP/1.0 ',
    '204',
    '304',
    '101',
    '\r\n\r\n',
    '\r\n',
    '\n',
    ';',
  ],
  longest: HEAD_BYTES_MAX * 2,
  generate(dice) {
    const interim = dice.some(2, () => `HTTP/1.1 ${dice.pick(['100', '103', '102'])} x\r\n\r\n`).join('');
    const line = `HTTP/1.${dice.mostly('1', '0', '2')} ${dice.mostly('200', '307', '204', '304', '404', '500', '101', '600')}${dice.mostly(' OK', '', ' ')}\r\n`;
    return Buffer.from(
      `${interim}${line}${dice.some(4, () => `${dice.pick(fields)}\r\n`).join('')}\r\n${dice.pick(bodies)}`,
      'latin1',
    );
  },
  check(input) {
    const bytes = Buffer.from(input);
    const whole = readIn(bytes, [bytes.length]);
    const dice = new Dice(bytes.length + (bytes[20] ?? 0));
    const cuts = dice.some(12, () => dice.below(bytes.length + 1)).sort((one, other) => one - other);
    same(readIn(bytes, [...cuts, bytes.length]), whole, `cut at ${cuts}`);
    if (bytes.length <= 400)
      same(
        readIn(
          bytes,
          Array.from(bytes, (_, at) => at + 1),
        ),
        whole,
        'byte by byte',
      );
    hold(whole.bodyBytes <= bytes.length, 'a longer body than there are bytes');
    hold(
      whole.location === undefined ||
        /^[\t\x20-\x7e]*$/.test(whole.location) ||
        hasControls(bytes.toString('latin1')),
      `location ${whole.location}`,
    );
    const other = node.read(bytes);
    if (whole.complete && !whole.keepAlive) return `complete, the last; Node ${other?.ends ? 'too' : 'not'}`;
    // A field that goes on in the next line is blanks to browsers, and the same length twice is one (RFC 9110 section 8.6);
    // Node takes neither, and fewer forms of chunks.
    const isOdd = /\r\n[ \t]|\r\n(content-length):.*\r\n\1:|transfer-encoding/is.test(
      bytes.toString('latin1'),
    );
    if (whole.complete && !isOdd) hold(other?.ends === true, 'complete, and not for Node');
    return `${whole.complete ? 'complete' : whole.problem || 'incomplete'}; Node ${other?.ends ? 'complete' : other ? 'head' : 'nothing'}`;
  },
};

function readIn(bytes: Buffer, ends: readonly number[]) {
  const parser = new ResponseParser();
  let at = 0;
  for (const end of ends) {
    if (at > end) continue;
    const stopped = parser.read(bytes, at, end);
    hold(stopped >= at && stopped <= end, `stopped at ${stopped} of ${at} to ${end}`);
    at = stopped;
    if (parser.complete || parser.bad) break;
    hold(at === end, 'stopped before the end of what it was given');
  }
  const { status, location, keepAlive, bodyBytes, problem, complete, bad } = parser;
  // What is bad may be called so for another reason, when less of it was there.
  if (bad)
    return {
      status: 0,
      location: undefined,
      keepAlive: false,
      bodyBytes: 0,
      problem: 'bad',
      complete,
      at: 0,
    };
  return { status, location, keepAlive, bodyBytes, problem, complete, at };
}
