import { MAX_FDS } from '../../../shared/sys/pass-fds.ts';
import {
  commonTakeOverVersion,
  decodeFromPredecessor,
  decodeFromSuccessor,
  encodeTakeOver,
  type FromPredecessor,
  type FromSuccessor,
  PASSED_AT_ONCE,
  TAKE_OVER_MESSAGE_MAX,
  TAKE_OVER_VERSIONS,
} from '../../../shared/wire/take-over.ts';
import { disturbed, encode, fieldsOf, type Value } from '../messagepack.ts';
import { read } from '../refusals.ts';
import { hold, same, type Target } from '../target.ts';

const passed = {
  state: 'reading',
  mode: 'handoff',
  ageMs: 12.5,
  waitedMs: 0,
  addressHash: 0xffffffff,
  attempts: 69,
  discarded: 0,
};
const samples: readonly Readonly<Record<string, unknown>>[] = [
  { type: 'sockets', sockets: [{ kind: 'worker', index: 0 }] },
  {
    type: 'sockets',
    sockets: ['deliveries', 'admin', 'control', 'metrics'].map((kind) => ({ kind, index: 69 })),
  },
  { type: 'connections', connections: [passed, { ...passed, state: 'lingering', mode: 'redirect' }] },
  {
    type: 'connections',
    connections: [{ ...passed, state: 'writing', rest: Buffer.from('HTTP/1.1 200 OK') }],
  },
  { type: 'handed', count: 2, mode: 'created', deliveries: ['d1', 'shop.example'] },
  { type: 'handed', count: 0, mode: 'handoff', deliveries: [], lastId: 7, settled: true },
  { type: 'kept', reason: 'the successor did not answer in time' },
  { type: 'done' },
  { type: 'ready' },
  { type: 'confirmed' },
  { type: 'failed', reason: 'no such card' },
];
/** Any that a reader with a memory of records could take for one. */
const canary: FromPredecessor = { type: 'handed', count: 69, mode: 'handoff', deliveries: [] };
const canaryBytes = encodeTakeOver(canary);

/** What the two heads say to each other: refused in plain words or read, always bounded, with no effect on the next message. */
export const takeOver: Target = {
  about: 'messages between a head and its successor',
  code: ['shared/wire/take-over.ts', 'shared/schema.ts', 'node_modules/msgpackr/unpack.js'],
  words: [
    ...samples.flatMap((sample) => [
      ...Object.keys(sample),
      ...Object.values(sample).filter((value) => typeof value === 'string'),
    ]),
    ...Object.keys(passed),
    'rest',
    ...TAKE_OVER_VERSIONS.map((version) => `baton-take-over/${version}`),
    'baton-take-over/',
    ', ',
  ],
  longest: 8192,
  generate(dice) {
    if (dice.oneIn(10))
      return Buffer.from(
        dice
          .some(5, () => `baton-take-over/${dice.mostly(1, dice.below(12), dice.integer())}`)
          .join(dice.pick([',', ', ', ' ', ''])),
      );
    const fields: Record<string, Value> = { ...fieldsOf(dice.pick(samples)) };
    // What stands in a list is made wrong as well.
    for (const [key, value] of Object.entries(fields))
      if (Array.isArray(value) && dice.oneIn(3))
        fields[key] = value.map((one) =>
          one instanceof Map ? disturbed(dice, Object.fromEntries(one as Map<string, Value>)) : one,
        );
    return encode(dice, disturbed(dice, fields));
  },
  check(input) {
    const outcomes = [decodeFromPredecessor, decodeFromSuccessor].map((decode) => {
      const outcome = read('TAKE_OVER_FAILED', () => decode(input));
      if ('refusal' in outcome) return outcome.refusal;
      const { value } = outcome;
      hold(Object.getPrototypeOf(value) === Object.prototype, 'a message with a prototype of its own');
      needBounds(value);
      const again = encodeTakeOver(value);
      hold(again.length <= TAKE_OVER_MESSAGE_MAX, `${again.length} bytes when it is written again`);
      same(decode(again), value, 'written again');
      return value.type;
    });
    same(decodeFromPredecessor(canaryBytes), canary, 'the next message');
    const header = Buffer.from(input).toString('latin1');
    const common = read('TAKE_OVER_REFUSED', () => commonTakeOverVersion(header));
    if ('value' in common) {
      hold(TAKE_OVER_VERSIONS.includes(common.value), `version ${common.value}`);
      hold(header.includes(`baton-take-over/`), 'a version that nobody has offered');
      return `version ${common.value}`;
    }
    return outcomes.find((one) => !one.includes(' ')) ?? outcomes[0]!;
  },
};

/** What whoever acts on a message relies on. */
function needBounds(message: FromPredecessor | FromSuccessor): void {
  if (message.type === 'sockets') hold(message.sockets.length <= MAX_FDS, 'more sockets than a message has');
  if (message.type === 'handed') hold(Number.isSafeInteger(message.count) && message.count >= 0, 'count');
  if (message.type !== 'connections') return;
  hold(message.connections.length <= PASSED_AT_ONCE, 'more connections than a message has');
  for (const { ageMs, waitedMs, discarded, attempts, addressHash } of message.connections) {
    for (const one of [ageMs, waitedMs, discarded]) hold(Number.isFinite(one) && one >= 0, `${one}`);
    hold(Number.isInteger(attempts) && attempts >= 0 && attempts <= 255, `attempts ${attempts}`);
    hold(Number.isInteger(addressHash) && addressHash >= 0 && addressHash <= 0xffffffff, 'addressHash');
  }
}
