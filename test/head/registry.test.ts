/** Who has come to a registry, and what becomes of those who come together, or twice. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { Drained } from '../../head/drained.ts';
import type { Registrant } from '../../head/registrant.ts';
import { Registry } from '../../head/registry.ts';
import { createScoreboardMemory, Scoreboard, WorkerCounters } from '../../head/scoreboard.ts';
import type { ToWorker } from '../../head/worker-messages.ts';
import { createLogger } from '../../shared/log.ts';

const WORKERS = 2;

/** Workers that have not answered what they were told, until they are. */
function start(t: ExecutionContext) {
  const memory = createScoreboardMemory(WORKERS);
  const told: { worker: number; message: ToWorker }[] = [];
  const log = createLogger('test');
  log.level = 'silent';
  const registry = new Registry({
    scoreboard: new Scoreboard(memory),
    rows: Array.from({ length: WORKERS }, (_, worker) => new WorkerCounters(memory, worker)),
    tell: (worker, message) => told.push({ worker, message }),
    times: { stallTimeoutMs: 60_000, forgetAfterMs: 60_000 },
    drained: new Drained(join(tmpdir(), 'no-head.sock'), log),
    onUp: () => {},
    onChange: () => {},
    log,
  });
  t.teardown(() => registry.close());
  return {
    registry,
    told,
    /** All that waits for an answer has it. */
    answer() {
      for (const { message } of told.splice(0)) {
        if (message.type === 'join') registry.onWorker({ type: 'joined', slot: message.slot });
        if (message.type === 'leave') registry.onWorker({ type: 'left', slot: message.slot, moved: 0 });
      }
    },
  };
}

const turns = () => new Promise((resolve) => setImmediate(resolve));

function comer(name: string): Registrant & { isWaiting: boolean; welcomed: number; dismissed: number } {
  return {
    introduction: { name, pid: process.pid, credits: 10, weight: 1, direct: null },
    ...{ transport: 'migrate', process: 0, active: 0, isWaiting: true, welcomed: 0, dismissed: 0 },
    move: undefined,
    makeLanes: (workers) =>
      Array.from({ length: workers }, () => ({ transport: 'migrate', registration: 1, takesState: false })),
    welcome() {
      this.welcomed++;
      return true;
    },
    ping: () => {},
    drained: () => {},
    dismiss() {
      this.dismissed++;
    },
  };
}

test('those that come together are told to the workers at once, and are welcomed in their order', async (t) => {
  const { registry, told, answer } = start(t);
  const names = ['a', 'b', 'c'];
  const welcomed: string[] = [];
  const all = names.map(async (name) => {
    const member = await registry.register(comer(name));
    welcomed.push(name);
    return member;
  });
  await turns();
  t.deepEqual(
    told.map(({ message }) => message.type === 'join' && message.name),
    names.flatMap((name) => [name, name]),
  );
  t.deepEqual(registry.upNames, []);
  answer();
  t.deepEqual(
    (await Promise.all(all)).map((member) => member?.slot),
    [0, 1, 2],
  );
  t.deepEqual(welcomed, names);
  t.deepEqual(registry.upNames, names);
});

test('one whose workers do not answer keeps none of another name waiting', async (t) => {
  const { registry, told } = start(t);
  const first = registry.register(comer('a'));
  await turns();
  told.splice(0);
  const second = registry.register(comer('b'));
  await turns();
  for (const { message } of told.splice(0))
    if (message.type === 'join') registry.onWorker({ type: 'joined', slot: message.slot });
  t.is((await second)?.slot, 1);
  t.deepEqual(registry.upNames, ['b']);
  for (let worker = 0; worker < WORKERS; worker++) registry.onWorker({ type: 'joined', slot: 0 });
  t.is((await first)?.slot, 0);
});

test('the second of a name waits until it is known what became of the first', async (t) => {
  const { registry, answer } = start(t);
  const [first, second] = [comer('a'), comer('a')];
  const registered = registry.register(first);
  await turns();
  // It has gone, and has come again.
  first.isWaiting = false;
  const again = registry.register(second);
  await turns();
  answer();
  t.is(await registered, undefined);
  t.is(first.welcomed, 0);
  await turns();
  t.is(second.welcomed, 0);
  // Its slot is free when the workers have let it go, and it has it when they know it.
  answer();
  await turns();
  answer();
  t.is((await again)?.slot, 0);
  t.is(second.welcomed, 1);
});

test('the name of one that is there is taken, and that is no reason for others to wait', async (t) => {
  const { registry, answer } = start(t);
  const first = registry.register(comer('a'));
  const second = registry.register(comer('a'));
  const other = registry.register(comer('b'));
  await turns();
  answer();
  t.is((await first)?.slot, 0);
  await t.throwsAsync(second, { code: 'NAME_TAKEN' });
  t.is((await other)?.slot, 1);
});

test('those that come while it closes are not welcomed, and their places are given back', async (t) => {
  const { registry, told, answer } = start(t);
  const [a, b] = [comer('a'), comer('b')];
  const all = [registry.register(a), registry.register(b)];
  await turns();
  registry.close();
  answer();
  t.deepEqual(await Promise.all(all), [undefined, undefined]);
  t.is(a.welcomed + b.welcomed, 0);
  t.is(told.filter(({ message }) => message.type === 'leave').length, 2 * WORKERS);
});
