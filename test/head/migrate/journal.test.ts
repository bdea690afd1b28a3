/** What workers and the main thread share of moves: the journal, the figures, and their turns. */
import { Worker } from 'node:worker_threads';
import test from 'ava';
import { Ids } from '../../../head/migrate/ids.ts';
import { Journal, type Moved } from '../../../head/migrate/journal.ts';
import { Measures } from '../../../head/migrate/measures.ts';
import { FLOW_KEY_SIZE } from '../../../shared/wire/remote/flow-key.ts';

const moved = (n: number): Moved => ({
  id: 2 ** 50 + n,
  key: Buffer.alloc(FLOW_KEY_SIZE, n),
  slot: n % 256,
  registration: n,
  hop: n % 3,
});

test('a journal gives what was written, in order, round and round', (t) => {
  const writer = new Journal();
  const reader = new Journal(writer.memory);
  let [written, read] = [0, 0];
  for (let round = 0; round < 15; round++) {
    for (let i = 0; i < 400; i++, written++) {
      writer.reserve();
      writer.write(moved(written));
    }
    reader.read((entry) => t.deepEqual(entry, moved(read++)));
    t.is(read, written);
  }
  reader.read(() => t.fail('it is empty'));
});

test('a journal keeps places for what begins, and has no more than it has', (t) => {
  const journal = new Journal();
  const all = journal.room;
  for (let n = 0; n < all; n++) journal.reserve();
  t.is(journal.room, 0);
  journal.cancel();
  t.is(journal.room, 1);
  t.false(journal.isFilling);
  for (let n = 1; n < all; n++) journal.write(moved(n));
  t.true(journal.isFilling);
  t.is(journal.room, 1, 'what is not read takes a place');
  let count = 0;
  journal.read(() => count++);
  t.is(count, all - 1);
  t.is(journal.room, all);
});

test('figures of all threads are added up', (t) => {
  const reasons: string[] = [];
  const main = new Measures();
  const worker = new Measures(new Measures().memory, (reason) => reasons.push(reason));
  main.count('refused', 'no-memory');
  worker.count('refused', 'no-credit');
  worker.copiedAgain();
  worker.adopted({ began: 1, dumped: 2, answered: 4, restoreMicros: 500 });
  const sum = Measures.sum(main, [worker]);
  t.like(sum.outcomes, { refused: 2, adopted: 1, late: 0 });
  t.is(sum.recopied, 1);
  t.deepEqual([...sum.reasons], [['no-memory', 1]]);
  t.deepEqual(reasons, ['no-credit']);
  t.is(Math.round(sum.stages.transfer.sum), 1500);
});

test('no two threads get the same number', async (t) => {
  const ids = new Ids();
  const each = 5000;
  const take = `
    const { parentPort, workerData } = require('node:worker_threads');
    import(workerData.module).then(({ Ids }) => {
      const ids = Ids.shared(workerData.memory);
      parentPort.postMessage(Array.from({ length: ${each} }, () => ids.next()));
    });`;
  const module = new URL('../../../head/migrate/ids.ts', import.meta.url).href;
  const threads = Array.from(
    { length: 3 },
    () => new Worker(take, { eval: true, workerData: { module, memory: ids.memory } }),
  );
  const taken = await Promise.all(
    threads.map(
      (thread) =>
        new Promise<number[]>((resolve, reject) => thread.once('message', resolve).once('error', reject)),
    ),
  );
  const own = Array.from({ length: each }, () => ids.next());
  t.is(new Set([...taken.flat(), ...own]).size, 4 * each);
  for (const numbers of taken) t.true(numbers.every((id, at) => at === 0 || id > numbers[at - 1]!));
});
