import test from 'ava';
import { BatonError, type ErrorCode, errorCatalogue } from '../../shared/errors.ts';
import { levelOf } from '../../shared/log.ts';

/** Programs rely on these: a change here is a change for them. Code -> exit code, whose fault, what the text names. */
const pinned: Record<
  ErrorCode,
  readonly [exit: number, fault: string, retry: boolean, ...details: string[]]
> = {
  USAGE: [2, 'user', false, 'problem'],
  BAD_OPTION: [2, 'user', false, 'option', 'problem', 'value'],
  UNKNOWN_OPTION: [2, 'user', false, 'where', 'key', 'known'],
  UNKNOWN_MODE: [2, 'user', false, 'mode', 'known'],
  UNKNOWN_DELIVERY: [1, 'user', false, 'name', 'known'],
  UNKNOWN_EXPERIMENT: [2, 'user', false, 'name', 'known'],
  CONFIG_UNREADABLE: [2, 'user', false, 'file', 'problem'],
  LAB_FILE: [2, 'user', false, 'where', 'problem'],
  NOTHING_TO_RELOAD: [1, 'user', false],
  PORT_IN_USE: [1, 'user', true, 'address', 'option'],
  ADDRESS_UNAVAILABLE: [1, 'user', false, 'address', 'problem', 'option'],
  PORT_FORBIDDEN: [1, 'user', false, 'address'],
  SOCKET_IN_USE: [1, 'user', true, 'path', 'option'],
  SOCKET_NOT_A_SOCKET: [1, 'user', false, 'path', 'option'],
  SOCKET_UNUSABLE: [1, 'user', false, 'path', 'problem'],
  INHERITED_UNUSABLE: [1, 'user', false, 'what', 'problem'],
  TAKE_OVER_FAILED: [1, 'head', true, 'problem'],
  TAKE_OVER_REFUSED: [1, 'user', false, 'problem'],
  FD_LIMIT: [1, 'kernel', false, 'limit', 'need', 'need', 'option'],
  NOT_RUNNING: [1, 'user', true, 'path'],
  HEAD_REFUSED: [1, 'user', false, 'reason'],
  HEAD_FULL: [1, 'head', true, 'limit'],
  HEAD_FORBIDDEN: [1, 'user', false, 'path', 'uid', 'own'],
  NOT_A_HEAD: [1, 'user', false, 'path', 'found', 'option'],
  NAME_TAKEN: [1, 'user', true, 'name', 'pid'],
  VERSION_MISMATCH: [1, 'user', false, 'head', 'delivery'],
  PEER_FORBIDDEN: [1, 'user', false, 'pid', 'uid', 'own'],
  PROTOCOL: [1, 'delivery', false, 'problem'],
  APP_UNUSABLE: [2, 'user', false, 'file', 'problem'],
  CERTIFICATE_UNUSABLE: [2, 'user', false, 'file', 'problem'],
  SECRET_UNUSABLE: [2, 'user', false, 'file', 'problem', 'fix'],
  LINK_FAILED: [1, 'head', true, 'address', 'problem'],
  LINK_REFUSED: [1, 'user', false, 'address', 'problem'],
  MISSING_PART: [1, 'user', false, 'part', 'fix'],
  MISSING_TOOL: [1, 'user', false, 'tool', 'fix'],
  NO_PRIVILEGE: [1, 'user', false, 'what', 'capability', 'problem'],
  VIP_MISSING: [1, 'user', false, 'vip', 'fix'],
  NO_INTERFACE: [1, 'user', false, 'interface'],
  NO_BPFFS: [1, 'kernel', false, 'path', 'problem', 'path'],
  STEERING_FULL: [1, 'head', true, 'capacity'],
  STEERING_FOREIGN: [1, 'user', false, 'interface', 'pref', 'found', 'interface', 'pref'],
  STEERING_IN_USE: [1, 'user', true, 'pid', 'interface'],
  STEERING_FAILED: [1, 'kernel', false, 'interface', 'problem'],
  NOT_ON_SEGMENT: [1, 'user', false, 'address', 'problem'],
  LAB_FAILED: [1, 'head', true, 'problem'],
  NO_VISIT_SUCCEEDED: [1, 'user', true, 'failures', 'url'],
  LIMIT_EXCEEDED: [3, 'user', false, 'problem'],
  CALL_FAILED: [1, 'kernel', false, 'call', 'errno', 'problem'],
};

test('the catalogue is the one that programs rely on', (t) => {
  t.deepEqual(Object.keys(errorCatalogue).toSorted(), Object.keys(pinned).toSorted());
  for (const [code, entry] of Object.entries(errorCatalogue)) {
    const names = [...entry.text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!);
    t.deepEqual([entry.exit, entry.fault, entry.retry, ...names], [...pinned[code as ErrorCode]], code);
  }
});

test('every error is one line that has all of its details, and what a program needs', (t) => {
  for (const [code, [exit, fault, retry, ...names]] of Object.entries(pinned)) {
    const details = Object.fromEntries(names.map((name, i) => [name, `<${name} ${i}>`]));
    const error = new BatonError(code as ErrorCode, details);
    for (const text of Object.values(details)) t.true(error.message.includes(text), code);
    t.notRegex(error.message, /[{}\n]|\.$/, code);
    t.like(error, { name: 'BatonError', code, fault, retry, exitCode: exit, details });
  }
});

test('details that have several lines do not make an error of several lines', (t) => {
  const { message } = new BatonError('USAGE', { problem: 'first\n  second\r\nthird' });
  t.is(message, 'first second third');
});

test('what a detail has that could write elsewhere on a terminal is written out', (t) => {
  const { message } = new BatonError('USAGE', { problem: 'a\u001b[2J\u009b2J\0\u202eb' });
  t.is(message, 'a\\u001b[2J\\u009b2J\\u0000\\u202eb');
});

test('a detail that is missing shows as such, and the cause is kept', (t) => {
  const cause = new Error('why');
  const error = new BatonError('NOT_RUNNING', {}, cause);
  t.regex(error.message, /no head answers at \?;/);
  t.is(error.cause, cause);
  t.false('cause' in new BatonError('NOT_RUNNING'));
});

test('text that a person gave is not read as a placeholder', (t) => {
  const { message } = new BatonError('UNKNOWN_MODE', { mode: '{known} $& $1', known: 'a, b' });
  t.is(message, 'there is no mode "{known} $& $1"; the modes are a, b');
});

test('what passes, and what others did, is a warning; what is wrong here and stays so is an error', (t) => {
  t.is(levelOf(new BatonError('NAME_TAKEN', { name: 'd1', pid: 1 })), 'warn');
  t.is(levelOf(new BatonError('PROTOCOL', { problem: 'x' })), 'warn');
  t.is(levelOf(new BatonError('VERSION_MISMATCH', { head: 2, delivery: 1 })), 'warn');
  t.is(levelOf(new Error('x')), 'error');
});
