/**
 * Every state that a client can be in when its connection moves, with each of the options that it can have, IPv4 and IPv6:
 * it moves, or it is refused for a reason of the list and goes on at the head. Packets are made by hand (support/raw-tcp.ts).
 */
import test, { type ExecutionContext } from 'ava';
import type { RefusalReason } from '../../../shared/tcp-repair/index.ts';
import { until } from '../../support/until.ts';
import { type Agent, startAgent } from './support/agent.ts';
import type { HostMethods } from './support/host.ts';
import { macOf } from './support/names.ts';
import { digestOf, pattern } from './support/pattern.ts';
import type { Options, RawMethods } from './support/raw-tcp.ts';
import { type Family, netTest, segmentForFile, vip } from './support/segment.ts';

const [FIN, SYN, RST, PSH, ACK, URG, ECE, CWR] = [1, 2, 4, 8, 16, 32, 64, 128];
const WITHIN_MS = 10_000;

const all: Options = { mss: 1460, sack: true, timestamps: true, scale: 7, ecn: false };
const none: Options = { mss: 1460, sack: false, timestamps: false, scale: null, ecn: false };
const profiles: Readonly<Record<string, Options>> = {
  'no options': none,
  timestamps: { ...none, timestamps: true },
  SACK: { ...none, sack: true },
  'a scale': { ...none, scale: 3 },
  'all options': all,
  'all, and ECN': { ...all, ecn: true },
  'all, segments of 536': { ...all, mss: 536 },
  'all, segments of 100': { ...all, mss: 100 },
  'segments of 88': { ...none, mss: 88 },
  'segments of 60': { ...none, mss: 60, sack: true },
};

const REQUEST = 3000;
const ANSWER = 6000;
const request = pattern(1, REQUEST);
const answer = pattern(2, ANSWER);

const segment = segmentForFile();
let raw: Agent<RawMethods>;
test.serial.before(async () => {
  if (segment.namespaces) raw = await startAgent<RawMethods>(segment.namespaces.bridge, 'raw-tcp.ts');
});
test.serial.after.always(() => raw?.stop());

/** One connection of one case. */
interface Case {
  readonly id: number;
  readonly fd: number;
  readonly options: Options;
}

interface State {
  readonly name: string;
  /** What has happened when the head begins to move it; how much of the answer is written, if any. */
  before?(c: Case): Promise<unknown>;
  /** The client ends its side behind its request. */
  readonly finishes?: true;
  /** What the client does between freezing and the last look, its packets on their way to the head. */
  whileFrozen?(c: Case): Promise<void>;
  /** What it does when its packets are held. */
  whileHeld?(c: Case): Promise<void>;
  /** What it does before all else when its packets reach the delivery. */
  after?(c: Case): Promise<void>;
  /** How it ends; without it, moved. `changed`: the last look shows that something has come. */
  readonly ends?: RefusalReason | 'changed';
  /** Nobody is there to be answered. */
  readonly gone?: true;
  /** Reading stops at the urgent byte: the request is not looked at. */
  readonly unread?: true;
}

const unread = (c: Case, bytes: number) =>
  until(
    `${bytes} bytes unread`,
    () => segment.head.unread(c.fd),
    (n) => n === bytes,
  );
const inState = (c: Case, state: string) =>
  until(
    state,
    () => segment.head.info(c.fd),
    (info) => info.state === state,
  );
/** What comes before anything is acknowledged (RFC 6928: ten segments), or somewhat less. */
const firstFlight = ({ options }: Case): number => 8 * (Math.max(88, options.mss) - 12);

/** In segments that the head takes. */
async function sendRange(c: Case, from: number, to: number): Promise<void> {
  for (let at = from; at < to; at += 1000) await raw.segment(c.id, at, Math.min(to, at + 1000));
}

const states: readonly State[] = [
  { name: 'nothing sent yet' },
  {
    name: 'half of the request sent',
    async before(c) {
      await sendRange(c, 0, REQUEST / 2);
      await unread(c, REQUEST / 2);
    },
  },
  {
    name: 'all of the request sent',
    async before(c) {
      await sendRange(c, 0, REQUEST);
      await unread(c, REQUEST);
    },
  },
  {
    name: 'the request sent twice',
    async before(c) {
      await sendRange(c, 0, REQUEST);
      await unread(c, REQUEST);
      await sendRange(c, 0, REQUEST);
    },
    after: (c) => sendRange(c, 0, REQUEST),
  },
  {
    name: 'FIN behind all of the request',
    finishes: true,
    async before(c) {
      await sendRange(c, 0, REQUEST);
      await raw.segment(c.id, REQUEST, REQUEST, ACK! | FIN!);
      await inState(c, 'close-wait');
    },
  },
  {
    name: 'FIN in the last segment with data',
    finishes: true,
    async before(c) {
      await sendRange(c, 0, REQUEST - 500);
      await raw.segment(c.id, REQUEST - 500, REQUEST, ACK! | FIN! | PSH!);
      await inState(c, 'close-wait');
    },
  },
  {
    name: 'FIN before there is any data at all, and sent again',
    finishes: true,
    async before(c) {
      await raw.has(c.id, Buffer.alloc(0), true);
      await raw.segment(c.id, 0, 0, ACK! | FIN!);
      await inState(c, 'close-wait');
    },
    after: (c) => raw.segment(c.id, 0, 0, ACK! | FIN!),
  },
  {
    name: 'FIN behind a hole',
    finishes: true,
    async before(c) {
      await sendRange(c, 0, 1000);
      await raw.segment(c.id, 2000, REQUEST, ACK! | FIN! | PSH!);
      await unread(c, 1000);
    },
  },
  {
    name: 'FIN while it is held',
    finishes: true,
    async before(c) {
      await sendRange(c, 0, REQUEST);
      await unread(c, REQUEST);
    },
    whileHeld: (c) => raw.segment(c.id, REQUEST, REQUEST, ACK! | FIN!),
  },
  {
    name: 'FIN while it is frozen',
    finishes: true,
    async before(c) {
      await sendRange(c, 0, REQUEST);
      await unread(c, REQUEST);
    },
    async whileFrozen(c) {
      await raw.segment(c.id, REQUEST, REQUEST, ACK! | FIN!);
      await inState(c, 'close-wait');
    },
    ends: 'changed',
  },
  {
    name: 'data while it is frozen',
    async before(c) {
      await sendRange(c, 0, 1000);
      await unread(c, 1000);
    },
    async whileFrozen(c) {
      await sendRange(c, 1000, 2000);
      await unread(c, 2000);
    },
    ends: 'changed',
  },
  {
    name: 'data while it is held',
    async before(c) {
      await sendRange(c, 0, 1000);
      await unread(c, 1000);
    },
    whileHeld: (c) => sendRange(c, 1000, REQUEST),
  },
  {
    name: 'RST before it is frozen',
    async before(c) {
      await raw.bare(c.id, RST!);
      await inState(c, 'closed');
    },
    ends: 'closed',
    gone: true,
  },
  {
    name: 'RST behind data that nobody has read',
    async before(c) {
      await sendRange(c, 0, 1000);
      await unread(c, 1000);
      await raw.segment(c.id, 1000, 1000, RST!);
      await inState(c, 'closed');
    },
    ends: 'closed',
    gone: true,
  },
  {
    name: 'RST while it is frozen',
    async whileFrozen(c) {
      await raw.segment(c.id, 0, 0, RST!);
      await inState(c, 'closed');
    },
    ends: 'changed',
    gone: true,
  },
  {
    name: 'RST while it is held',
    async whileHeld(c) {
      await raw.segment(c.id, 0, 0, RST!);
      await raw.vanish(c.id);
    },
    gone: true,
  },
  {
    name: 'RST when it has moved',
    async after(c) {
      await raw.segment(c.id, 0, 0, RST!);
      await raw.vanish(c.id);
    },
    gone: true,
  },
  {
    name: 'an RST out of its window, and a SYN: forged, or very old',
    async before(c) {
      await raw.bare(c.id, RST!, { seq: 12_345 });
      await raw.bare(c.id, SYN!, { seq: 12_345 });
    },
    async after(c) {
      await raw.bare(c.id, RST!, { seq: 12_345 });
      await raw.bare(c.id, SYN!, { seq: 12_345 });
    },
  },
  {
    name: 'a window that is closed before anything is sent',
    async before(c) {
      await raw.window(c.id, 0);
      return await segment.head.put(c.fd, answer.subarray(0, 10));
    },
  },
  {
    name: 'a window that closes behind half of the answer',
    async before(c) {
      await raw.mute(c.id);
      const written = await segment.head.put(c.fd, answer.subarray(0, ANSWER / 2));
      await raw.until(c.id, Math.min(written, firstFlight(c)), WITHIN_MS);
      await raw.window(c.id, 0);
      return written + (await segment.head.put(c.fd, answer.subarray(written)));
    },
  },
  {
    name: 'a window of less than a segment',
    async before(c) {
      await raw.window(c.id, c.options.scale === null ? 50 : 256);
      return await segment.head.put(c.fd, answer.subarray(0, ANSWER / 2));
    },
  },
  {
    name: 'holes in the request',
    async before(c) {
      await raw.segment(c.id, 0, 500);
      await raw.segment(c.id, 1000, 1500);
      await raw.segment(c.id, 2000, 2500);
      await unread(c, 500);
    },
  },
  {
    name: 'holes in the answer, which it has told of by SACK',
    async before(c) {
      await raw.mute(c.id);
      await raw.lose(c.id, 2);
      const written = await segment.head.put(c.fd, answer.subarray(0, ANSWER / 2));
      await until(
        'a hole',
        () => raw.state(c.id),
        ({ early }) => early > 0,
      );
      await raw.bare(c.id, ACK!);
      return written;
    },
  },
  {
    name: 'three acknowledgments of the same',
    async before(c) {
      await raw.mute(c.id);
      const written = await segment.head.put(c.fd, answer.subarray(0, ANSWER / 2));
      await raw.until(c.id, Math.min(written, firstFlight(c)), WITHIN_MS);
      for (let i = 0; i < 3; i++) await raw.bare(c.id, ACK!, { ackedBytes: 0 });
      return written;
    },
  },
  {
    name: 'an answer that it has and has not acknowledged, so that the head sends it again',
    async before(c) {
      await raw.mute(c.id);
      const written = await segment.head.put(c.fd, answer.subarray(0, ANSWER / 2));
      await raw.until(c.id, Math.min(written, firstFlight(c)), WITHIN_MS);
      await until(
        'what it has again',
        () => raw.state(c.id),
        ({ repeats }) => repeats > 0,
      );
      return written;
    },
  },
  {
    name: 'half of the answer acknowledged, in the middle of a segment',
    async before(c) {
      await raw.mute(c.id);
      const written = await segment.head.put(c.fd, answer.subarray(0, ANSWER / 2));
      await raw.until(c.id, Math.min(written, firstFlight(c)), WITHIN_MS);
      await raw.bare(c.id, ACK!, { ackedBytes: 777 });
      return written;
    },
  },
  {
    name: 'an acknowledgment of what was never sent',
    before: (c) => raw.bare(c.id, ACK!, { ackedBytes: 99_999 }),
    after: (c) => raw.bare(c.id, ACK!, { ackedBytes: 99_999 }),
  },
  {
    name: 'an urgent byte that nobody has read',
    async before(c) {
      await raw.segment(c.id, 0, 1000, ACK! | PSH! | URG!, { urgent: 500 });
      await until(
        'data',
        () => segment.head.unread(c.fd),
        (n) => n > 0,
      );
    },
    ends: 'urgent-data',
    unread: true,
  },
  {
    name: 'an urgent pointer that comes when it has moved',
    unread: true,
    after: (c) => raw.segment(c.id, 0, 1, ACK! | PSH! | URG!, { urgent: 5000 }),
  },
  {
    name: 'a keep-alive probe',
    before: (c) => raw.segment(c.id, 0, 0, ACK!, { seqBefore: 1 }),
    after: (c) => raw.segment(c.id, 0, 0, ACK!, { seqBefore: 1 }),
  },
  {
    name: 'a packet with an old timestamp',
    after: (c) => raw.segment(c.id, 0, 100, ACK! | PSH!, { tsval: 1 }),
  },
  {
    name: 'data beyond its window',
    before: (c) => raw.segment(c.id, 0, 100, ACK! | PSH!, { seqBefore: -10_000_000 }),
    after: (c) => raw.segment(c.id, 0, 100, ACK! | PSH!, { seqBefore: -10_000_000 }),
  },
  {
    name: 'congestion told by ECE and CWR',
    before: (c) => raw.bare(c.id, ACK! | ECE! | CWR!),
    after: (c) => raw.bare(c.id, ACK! | ECE! | CWR!),
  },
  {
    name: 'a server that has ended its side',
    async before(c) {
      await segment.head.finish(c.fd);
    },
    ends: 'closing',
    gone: true,
  },
  {
    name: 'both sides ended',
    finishes: true,
    async before(c) {
      await raw.has(c.id, Buffer.alloc(0), true);
      await raw.segment(c.id, 0, 0, ACK! | FIN!);
      await inState(c, 'close-wait');
      await raw.mute(c.id);
      await segment.head.finish(c.fd);
      await inState(c, 'last-ack');
    },
    ends: 'closing',
    gone: true,
  },
  {
    name: 'a client that has gone without a word',
    async whileHeld(c) {
      await raw.forget(c.id);
    },
    gone: true,
  },
];

async function openCase(family: Family, options: Options): Promise<Case & { readonly listener: number }> {
  const { fd: listener, port } = await segment.head.listen(vip[family]);
  const [id, fd] = await Promise.all([raw.open(family, port, options), segment.head.accept(listener)]);
  return { id, fd, options, listener };
}

/** Serves the rest of it where it is, and ends it. */
async function complete(
  t: ExecutionContext,
  what: string,
  host: Agent<HostMethods>,
  c: Case,
  fd: number,
  written: number,
  state: State,
): Promise<void> {
  await raw.window(c.id, 60_000);
  await raw.goOn(c.id);
  const { has } = await raw.agreed(c.id);
  if (!state.unread) {
    const wanted = request.subarray(0, has);
    t.true(wanted.equals(await host.take(fd, wanted.length)), `${what}: the request`);
    if (state.finishes)
      await until(
        `${what}: the end of the request`,
        () => host.takeOnce(fd),
        (n) => n === 0,
      );
  }
  await host.putAll(fd, answer.subarray(written));
  await host.finish(fd);
  await raw.until(c.id, ANSWER + 1, WITHIN_MS);
  const got = await raw.state(c.id);
  t.is(got.length, ANSWER, `${what}: the answer`);
  t.is(got.digest, digestOf(answer), `${what}: the answer`);
  t.true(got.ended && !got.reset, `${what}: its end`);
  t.deepEqual(got.violations.slice(0, 3), [], what);
}

async function move(t: ExecutionContext, family: Family, state: State, name: string): Promise<void> {
  const options = profiles[name]!;
  const what = `${name}, IP${family}`;
  const { head, delivery } = segment;
  const c = await openCase(family, options);
  await raw.has(c.id, request, state.finishes === true);
  const before = await state.before?.(c);
  const written = typeof before === 'number' ? before : 0;

  const outcome = await hand(c, state);
  // Segments so small are refused whatever the state is, where nothing else was refused before.
  const isTiny = options.mss < 88;
  const expected =
    isTiny && state.ends !== 'closed' && state.ends !== 'closing'
      ? ['tiny-mss', state.ends]
      : [state.ends ?? 'moved'];
  t.true(expected.includes(outcome.ends), `${what}: ${outcome.ends}, not ${expected}`);

  if (outcome.fd === undefined) {
    if (outcome.ends !== 'closed' && outcome.ends !== 'closing') await head.thaw(c.fd);
    await raw.steer(c.id, 'head');
    if (state.gone && outcome.ends !== 'tiny-mss') await head.close(c.fd);
    else {
      await complete(t, what, head, c, c.fd, written, state);
      await head.close(c.fd);
    }
  } else {
    await raw.steer(c.id, 'delivery');
    await state.after?.(c);
    if (state.gone) await leave(t, what, c, outcome.fd);
    else {
      await complete(t, what, delivery, c, outcome.fd, written, state);
      const { speakers } = await raw.state(c.id);
      const first = speakers.indexOf(macOf.delivery);
      t.true(first >= 0 && !speakers.slice(first).includes(macOf.head), `${what}: ${speakers}`);
      await delivery.close(outcome.fd);
    }
  }
  await raw.forget(c.id);
  await head.close(c.listener);
}

/** As the head does: copies first, and holds for the last look alone. */
async function hand(c: Case, state: State): Promise<{ ends: string; fd?: number }> {
  const { head, delivery } = segment;
  const saved = await head.freezeAndSave(c.fd);
  if (saved.reason !== '') return { ends: saved.reason };
  const prepared = await delivery.prepare(saved.message);
  if (prepared.reason !== '') return { ends: prepared.reason };
  await state.whileFrozen?.(c);
  await raw.steer(c.id, 'nobody');
  if (!(await head.isUnchanged(c.fd))) {
    await delivery.abandon(prepared.handle);
    return { ends: 'changed' };
  }
  await state.whileHeld?.(c);
  await head.closeSilently(c.fd);
  return { ends: 'moved', fd: await delivery.activate(prepared.handle) };
}

/** Nobody answers: what the application does comes to an end all the same. */
async function leave(t: ExecutionContext, what: string, c: Case, fd: number): Promise<void> {
  const { delivery } = segment;
  await delivery.put(fd, answer.subarray(0, 1000));
  const { violations } = await raw.state(c.id);
  t.deepEqual(violations.slice(0, 3), [], what);
  await delivery.close(fd);
}

for (const family of Object.keys(vip) as Family[]) {
  for (const state of states) {
    netTest(`${state.name}, IP${family}: ${state.ends ?? 'it moves'}`, async (t) => {
      await Promise.all(Object.keys(profiles).map((name) => move(t, family, state, name)));
    });
  }
}
