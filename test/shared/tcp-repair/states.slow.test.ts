/**
 * Every state that a client can be in when its connection moves, with each of the options that it can have, IPv4 and IPv6:
 * it moves, or it is refused for a reason of the list and goes on at the head. Packets are made by hand (support/raw-tcp.ts).
 */
import test, { type ExecutionContext } from 'ava';
import { until } from '../../support/until.ts';
import { type Agent, startAgent } from './support/agent.ts';
import { answerStates } from './support/answer-states.ts';
import type { HostMethods } from './support/host.ts';
import { ANSWER, answer, type Case, request, type State, WITHIN_MS } from './support/moving-case.ts';
import { macOf } from './support/names.ts';
import { digestOf } from './support/pattern.ts';
import type { RawMethods } from './support/raw-tcp.ts';
import type { Options } from './support/raw-wire.ts';
import { requestStates } from './support/request-states.ts';
import { type Family, netTest, segmentForFile, vip } from './support/segment.ts';

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

const segment = segmentForFile();
let raw: Agent<RawMethods>;
test.serial.before(async () => {
  if (segment.namespaces) raw = await startAgent<RawMethods>(segment.namespaces.bridge, 'raw-tcp.ts');
});
test.serial.after.always(() => raw?.stop());

const states: readonly State[] = [...requestStates, ...answerStates];

async function openCase(family: Family, options: Options): Promise<Case & { readonly listener: number }> {
  const { fd: listener, port } = await segment.head.listen(vip[family]);
  const [id, fd] = await Promise.all([raw.open(family, port, options), segment.head.accept(listener)]);
  return { id, fd, options, raw, head: segment.head, listener };
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
