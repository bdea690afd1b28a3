/** What holds for any bytes, however they are cut. */
import test from 'ava';
import fc from 'fast-check';
import { mayDecide } from '../../../head/worker/inspect/http.ts';
import { COMPLETE, INCOMPLETE } from '../../../head/worker/inspect/kind.ts';
import {
  allFound,
  found,
  grammar,
  inspect,
  LIMIT,
  latin1,
  nearlyHttp,
  request,
  type Verdict,
  verdict,
} from './request-heads.ts';

test('the verdict on any bytes is that of the grammar', (t) => {
  let complete = 0;
  fc.assert(
    fc.property(nearlyHttp, (text) => {
      const isComplete = verdict(text) === COMPLETE;
      if (isComplete) complete++;
      const match = grammar.exec(text);
      t.is(isComplete, match !== null, JSON.stringify(text));
      if (match) t.is(request.end, match[0].length, JSON.stringify(text));
    }),
    { numRuns: 20_000 },
  );
  t.true(complete > 50, `only ${complete} of the texts were requests`);
});

test('in whatever pieces a head arrives, byte by byte included, it is judged as if it came at once', (t) => {
  fc.assert(
    fc.property(nearlyHttp, (text) => {
      const whole = found(text);
      let early: Verdict = INCOMPLETE;
      for (let length = 1; length <= text.length; length++) {
        const now = verdict(text.slice(0, length));
        // Once decided, more bytes change nothing.
        if (early !== INCOMPLETE) t.is(now, early, JSON.stringify(text));
        early = now;
      }
      t.is(early, whole.verdict, JSON.stringify(text));
      if (whole.verdict === COMPLETE) t.deepEqual(found(text), whole);
    }),
    { numRuns: 3000 },
  );
});

test('what may have decided it is found without looking at all of it again', (t) => {
  fc.assert(
    fc.property(nearlyHttp, fc.array(fc.nat({ max: 40 }), { maxLength: 8 }), (text, steps) => {
      const bytes = latin1(text);
      let before = 0;
      for (const step of [...steps, text.length]) {
        const length = Math.min(before + step, text.length);
        if (inspect(bytes, before, LIMIT) !== INCOMPLETE) return;
        const lineIsWhole = request.lineEnd > 0;
        const now = inspect(bytes, length, LIMIT);
        if (now !== INCOMPLETE) t.true(mayDecide(bytes, before, length, lineIsWhole), JSON.stringify(text));
        before = length;
      }
    }),
    { numRuns: 5000 },
  );
  const head = latin1(`GET / HTTP/1.1\r\nX: ${'y'.repeat(300)}\r\n\r\n`);
  t.false(mayDecide(head, 20, head.length - 1, true));
  t.true(mayDecide(head, head.length - 1, head.length, true));
  const line = latin1(`GET /${'y'.repeat(2000)} HTTP/1.1\r\n`);
  let inspections = 0;
  let inspected = 1;
  for (let length = 2; length < line.length; length++) {
    if (!mayDecide(line, inspected, length, false)) continue;
    inspections++;
    inspected = length;
  }
  t.true(inspections < 256 + 20, `${inspections} inspections of one request line`);
});

test('what lies in memory beyond the bytes that arrived never counts, and no bytes make it throw', (t) => {
  const tails = [
    '\n\n\r\n\n',
    ' HTTP/1.1\r\n\r\n',
    '\x03\x03',
    'T / HTTP/1.1\r\n\r\n',
    '\0\0',
    'HTTP/2.0',
    '\xff',
  ];
  const bytes = fc.oneof(
    nearlyHttp.map(latin1),
    fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array)),
  );
  fc.assert(
    fc.property(bytes, fc.nat({ max: 60 }), (all, cut) => {
      const length = Math.min(cut, all.length);
      const exact = Buffer.from(all.subarray(0, length));
      const expected = { verdict: inspect(exact, length, LIMIT), ...allFound() };
      for (const tail of tails) {
        const longer = Buffer.concat([exact, latin1(tail)]);
        const now = { verdict: inspect(longer, length, LIMIT), ...allFound() };
        if (expected.verdict === COMPLETE) t.deepEqual(now, expected);
        else t.is(now.verdict, expected.verdict, JSON.stringify(longer.toString('latin1')));
      }
    }),
    { numRuns: 3000 },
  );
});
