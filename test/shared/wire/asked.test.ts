import test from 'ava';
import fc from 'fast-check';
import {
  ANOTHER,
  ANSWER_MESSAGE_MAX,
  ANYBODY,
  ASKED_MAX,
  readAnswer,
  readAsked,
  writeAnswer,
  writeAsked,
} from '../../../shared/wire/asked.ts';

const bytes = Buffer.alloc(ANSWER_MESSAGE_MAX + 8);
const number = fc.nat({ max: 0xffffffff });

test('what is asked, and its answer, is read as it was written', (t) => {
  fc.assert(
    fc.property(number, fc.integer({ min: 1, max: ASKED_MAX }), fc.boolean(), (first, count, mayStay) => {
      const length = writeAsked(bytes, first, count, mayStay ? ANYBODY : ANOTHER);
      t.deepEqual(readAsked(bytes, length), { first, count, mayStay });
      for (let less = 0; less < length; less++) t.is(readAsked(bytes, less), undefined);
      t.is(readAsked(bytes, length + 1), undefined);
    }),
  );
  const answers = fc.array(fc.nat({ max: 2 }), { minLength: 1, maxLength: ASKED_MAX });
  fc.assert(
    fc.property(number, answers, (first, all) => {
      const length = writeAnswer(bytes, first, Uint8Array.from(all), all.length);
      t.true(length <= ANSWER_MESSAGE_MAX);
      t.deepEqual(readAnswer(bytes, length), { first, answers: all });
      for (let less = 0; less < length; less++) t.is(readAnswer(bytes, less), undefined);
    }),
  );
});

test('nothing else is one', (t) => {
  for (const wrong of [
    [0x93, 1, 0, 0],
    [0x93, 1, ASKED_MAX + 1, 0],
    [0x93, 1, 1, 2],
    [0x92, 1, 0],
    [0x94, 1, 1, 0, 0],
    [0x93, 0xff, 1, 0],
  ])
    t.is(readAsked(Buffer.from(wrong), wrong.length), undefined, `${wrong}`);
  for (const wrong of [
    [0x92, 3, 1],
    [0x93, 3, 1, 3],
    [0x93, 2, 1, 1],
    [0x93, 3, 0xff, 1],
    [0xdc, 0, 70, 3, 1, 1],
  ])
    t.is(readAnswer(Buffer.from(wrong), wrong.length), undefined, `${wrong}`);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 90 }), (any) => {
      readAsked(any, any.length);
      readAnswer(any, any.length);
    }),
  );
});
