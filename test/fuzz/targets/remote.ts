import { SAVED_MAX } from '../../../shared/tcp-repair/index.ts';
import { FLOW_KEY_SIZE } from '../../../shared/wire/remote/flow-key.ts';
import { encodeFrame, FrameReader } from '../../../shared/wire/remote/frames.ts';
import {
  checkFromRemote,
  checkToRemote,
  IDS_MAX,
  REMOTE_VERSION,
} from '../../../shared/wire/remote/messages.ts';
import { disturbed, encode } from '../messagepack.ts';
import { read } from '../refusals.ts';
import { hold, same, type Target } from '../target.ts';

const state = Buffer.from('a saved connection');
const samples = [
  {
    type: 'hello',
    version: 1,
    name: 'd1',
    pid: 69,
    credits: 100,
    weight: 1,
    direct: '[2001:db8::1]:80',
    active: 0,
    flows: 2,
  },
  {
    ...{ type: 'hello', version: REMOTE_VERSION, name: 'd1', pid: 69, credits: 100, weight: 1, direct: null },
    ...{ active: 2, flows: 4_194_304, serves: ['shop.example', '*.img.example'], directTls: 'only' },
  },
  { type: 'holding', ids: [1, 2], keys: Buffer.alloc(72) },
  { type: 'holding', ids: [], keys: Buffer.alloc(0) },
  { type: 'adopted', id: 1, micros: 2.5 },
  { type: 'refused', id: 7, reason: 'no-memory' },
  { type: 'live', ids: [1, 2, 3] },
  { type: 'ended', closed: 1, gone: [1] },
  { type: 'draining' },
  { type: 'pong', direct: 0 },
  { type: 'welcome', version: 1 },
  { type: 'welcome', version: REMOTE_VERSION },
  { type: 'welcome', version: REMOTE_VERSION, lanes: 4 },
  { type: 'ahead', lanes: 4 },
  { type: 'rejected', code: 'NAME_TAKEN', reason: 'of that name' },
  { type: 'adopt', id: 1, withinMs: 1000, state },
  { type: 'commit', id: 1 },
  { type: 'abort', id: 1 },
  { type: 'ping' },
  { type: 'drained' },
  { type: 'dismissed', reason: 'stalled' },
  { type: 'dismissed', reason: 'another head takes over', successor: true },
] as const;

/** Messages over a link: the look by hand and the schema tell the same, and numbers are what they are said to be. */
export const remote: Target = {
  about: 'messages between hosts',
  code: ['shared/wire/remote/messages.ts', 'shared/schema.ts', 'node_modules/msgpackr/unpack.js'],
  words: samples.flatMap((sample) => [
    ...Object.keys(sample),
    ...Object.values(sample).filter((value) => typeof value === 'string'),
  ]),
  generate: (dice) => encode(dice, disturbed(dice, dice.pick(samples))),
  check(input) {
    const framed = Buffer.alloc(4 + input.length);
    framed.writeUInt32BE(input.length);
    framed.set(input, 4);
    const unpacked = read('PROTOCOL', () => new FrameReader().push(framed));
    if ('refusal' in unpacked) return unpacked.refusal;
    const outcomes = [checkFromRemote, checkToRemote].map((check) => {
      const outcome = read('PROTOCOL', () => check(unpacked.value[0]));
      if ('refusal' in outcome) return outcome.refusal;
      needBounds(outcome.value);
      const message = known(outcome.value);
      const [again] = new FrameReader().push(encodeFrame(message));
      same(known(check(again)), message, 'written again');
      return outcome.value.type;
    });
    return outcomes.find((one) => !one.includes(' ')) ?? outcomes[0]!;
  },
};

/** Keys that nobody knows are ignored, by some readers later than by others. */
const known = (message: object) =>
  Object.fromEntries(Object.entries(message).filter(([key]) => keys.has(key)));
const keys = new Set<string>(samples.flatMap((sample) => Object.keys(sample)));

/** What whoever acts on a message relies on, whichever way it was looked at. */
function needBounds(message: object): void {
  for (const [key, value] of Object.entries(message)) {
    if (key === 'id') hold(Number.isSafeInteger(value) && value >= 0, `id ${value}`);
    if (key === 'ids' || key === 'gone')
      hold(
        Array.isArray(value) &&
          value.length <= IDS_MAX &&
          value.every((one) => Number.isSafeInteger(one) && one >= 0),
        `${key} ${value}`,
      );
    if (key === 'keys') hold(value instanceof Uint8Array && value.length <= IDS_MAX * FLOW_KEY_SIZE, 'keys');
    if (key === 'micros' || key === 'withinMs') hold(Number.isFinite(value) && value >= 0, `${key} ${value}`);
    if (key === 'state')
      hold(value instanceof Uint8Array && value.length > 0 && value.length <= SAVED_MAX, 'state');
  }
}
