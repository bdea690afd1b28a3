import test from 'ava';
import fc from 'fast-check';
import { BatonError } from '../../../../shared/errors.ts';
import { SAVED_MAX } from '../../../../shared/tcp-repair/index.ts';
import { checkFromRemote, checkToRemote } from '../../../../shared/wire/remote/messages.ts';

const state = Buffer.from('a saved connection');
const hello = {
  type: 'hello',
  version: 1,
  name: 'd1',
  pid: 1,
  credits: 1,
  weight: 1,
  direct: null,
  active: 0,
  flows: 1 << 22,
};

/** What is wrong with a message; '' for nothing. */
function problem(check: (value: unknown) => unknown, value: unknown): string {
  try {
    check(value);
    return '';
  } catch (error) {
    if (error instanceof BatonError && error.code === 'PROTOCOL') return String(error.details.problem);
    throw error;
  }
}

test('each message of a migration is taken at its bounds', (t) => {
  for (const message of [
    { type: 'adopt', id: 0, withinMs: 0.5, state: Buffer.alloc(1) },
    { type: 'adopt', id: Number.MAX_SAFE_INTEGER, withinMs: 1e6, state: Buffer.alloc(SAVED_MAX) },
    { type: 'commit', id: 7 },
    { type: 'abort', id: 7 },
    { type: 'ping' },
  ])
    t.like(checkToRemote(message), message);
  for (const message of [
    hello,
    { type: 'adopted', id: 7, micros: 0 },
    { type: 'refused', id: 7, reason: 'no-memory' },
    { type: 'live', ids: [] },
    { type: 'pong', direct: 0 },
  ])
    t.like(checkFromRemote(message), message);
});

test('what is out of bounds is refused, by name', (t) => {
  for (const [message, name] of [
    [{ type: 'adopt', id: -1, withinMs: 1, state }, 'id'],
    [{ type: 'adopt', id: 0.5, withinMs: 1, state }, 'id'],
    [{ type: 'adopt', id: 2 ** 53, withinMs: 1, state }, 'id'],
    [{ type: 'adopt', id: 1, withinMs: 0, state }, 'withinMs'],
    [{ type: 'adopt', id: 1, withinMs: Number.POSITIVE_INFINITY, state }, 'withinMs'],
    [{ type: 'adopt', id: 1, withinMs: Number.NaN, state }, 'withinMs'],
    [{ type: 'adopt', id: 1, withinMs: 1, state: Buffer.alloc(0) }, 'state'],
    [{ type: 'adopt', id: 1, withinMs: 1, state: Buffer.alloc(SAVED_MAX + 1) }, 'state'],
    [{ type: 'adopt', id: 1, withinMs: 1, state: 'text' }, 'state'],
    [{ type: 'commit', id: '1' }, 'id'],
    [{ type: 'adopted' }, 'type'],
    [null, 'type'],
    ['adopt', 'type'],
  ] as const)
    t.true(problem(checkToRemote, message).startsWith(`a message with a bad ${name}: `), name);
  for (const [message, name] of [
    [{ type: 'adopted', id: 1, micros: -1 }, 'micros'],
    [{ ...hello, flows: (1 << 22) + 1 }, 'flows'],
    [{ type: 'adopted', id: 1n, micros: 1 }, 'id'],
    [{ type: 'commit', id: 1 }, 'type'],
  ] as const)
    t.true(problem(checkFromRemote, message).startsWith(`a message with a bad ${name}: `), name);
});

test('whatever comes is either one of the messages or refused', (t) => {
  const field = fc.oneof(fc.integer(), fc.double(), fc.string(), fc.constant(state), fc.anything());
  const type = fc.constantFrom('adopt', 'commit', 'abort', 'adopted', 'refused', 'live', 'ping', 'nonsense');
  const message = fc.record({ type, id: field, withinMs: field, micros: field, state: field });
  fc.assert(
    fc.property(message, (value) => {
      for (const check of [checkToRemote, checkFromRemote]) {
        if (problem(check, value) !== '') continue;
        t.true(!('id' in value) || value.type === 'ping' || Number.isSafeInteger(value.id));
      }
    }),
  );
});
