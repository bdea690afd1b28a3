import {
  CONTROL_MESSAGE_MAX,
  decodeFromDelivery,
  decodeFromHead,
  encodeControl,
} from '../../../shared/wire/control.ts';
import { disturbed, encode, fieldsOf } from '../messagepack.ts';
import { read } from '../refusals.ts';
import { hold, same, type Target } from '../target.ts';

const samples = [
  {
    type: 'hello',
    version: 1,
    name: 'd1',
    pid: 69,
    credits: 100,
    weight: 1,
    direct: '10.0.0.1:80',
    active: 0,
  },
  { type: 'hello', version: 1, name: 'd1', pid: 1, credits: 1, weight: 1000, direct: null, active: 69 },
  {
    type: 'hello',
    version: 2,
    name: 'd1',
    pid: 1,
    credits: 1,
    weight: 1,
    direct: null,
    active: 0,
    serves: ['shop.example', '*.img.example'],
  },
  {
    ...{ type: 'hello', version: 1, name: 'd1', pid: 1, credits: 1, weight: 1, direct: null, active: 0 },
    moves: 'state',
  },
  {
    ...{ type: 'hello', version: 2, name: 'd1', pid: 1, credits: 1, weight: 1, direct: 'd.example:443' },
    ...{ active: 0, directTls: 'also', moves: 'plain' },
  },
  { type: 'draining' },
  { type: 'pong', direct: 69 },
  { type: 'pong', direct: 0, left: { busy: 2, stays: 1 } },
  { type: 'ended', count: 5 },
  { type: 'welcome', version: 1, session: '9f86d081', lanes: 69 },
  { type: 'welcome', version: 2, session: '9f86d081', lanes: 1, moves: true },
  { type: 'move', on: true },
  { type: 'move', on: false },
  { type: 'refused', code: 'NAME_TAKEN', reason: 'a delivery of that name' },
  { type: 'ping' },
  { type: 'drained' },
  { type: 'dismissed', reason: 'stalled' },
  { type: 'dismissed', reason: 'another head takes over', successor: true },
] as const;
/** Every small number that a reader with a memory of records could take for one. */
const canary = { type: 'pong', direct: 69 } as const;
const canaryBytes = encodeControl(canary);

/** Control messages: refused in plain words or read, always bounded, and without an effect on the next one. */
export const control: Target = {
  about: 'control messages of deliveries and heads',
  code: [
    'shared/wire/control.ts',
    'shared/schema.ts',
    'shared/reachable.ts',
    'node_modules/msgpackr/unpack.js',
  ],
  words: samples.flatMap((sample) => [
    ...Object.keys(sample),
    ...Object.values(sample).filter((value) => typeof value === 'string'),
  ]),
  longest: CONTROL_MESSAGE_MAX + 2,
  generate: (dice) => encode(dice, disturbed(dice, fieldsOf(dice.pick(samples)))),
  check(input) {
    const outcomes = [decodeFromDelivery, decodeFromHead].map((decode) => {
      const outcome = read('PROTOCOL', () => decode(input));
      if ('refusal' in outcome) return outcome.refusal;
      const { value } = outcome;
      hold(Object.getPrototypeOf(value) === Object.prototype, 'a message with a prototype of its own');
      const again = encodeControl(value);
      hold(again.length <= CONTROL_MESSAGE_MAX, `${again.length} bytes when it is written again`);
      same(decode(again), value, 'written again');
      return value.type;
    });
    same(decodeFromDelivery(canaryBytes), canary, 'the next message');
    return outcomes.find((one) => !one.includes(' ')) ?? outcomes[0]!;
  },
};
