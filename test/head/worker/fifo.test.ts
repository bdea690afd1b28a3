import test from 'ava';
import fc from 'fast-check';
import { createLinks, Fifo } from '../../../head/worker/fifo.ts';

const FDS = 12;

test('two queues over the same links behave as two lists do', (t) => {
  const step = fc.record({ queue: fc.nat({ max: 1 }), fd: fc.nat({ max: FDS - 1 }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const links = createLinks(FDS);
      const queues = [new Fifo(links), new Fifo(links)];
      const lists: { fd: number; since: number }[][] = [[], []];
      let now = 0;
      for (const { queue, fd } of steps) {
        now++;
        // A connection that is in a queue leaves it; one that is in none joins.
        const holder = lists.findIndex((list) => list.some((each) => each.fd === fd));
        if (holder >= 0) {
          queues[holder]!.leave(fd);
          lists[holder] = lists[holder]!.filter((each) => each.fd !== fd);
        } else {
          queues[queue]!.join(fd, now);
          lists[queue]!.push({ fd, since: now });
        }
        for (const [index, list] of lists.entries()) {
          t.is(queues[index]!.size, list.length);
          t.is(queues[index]!.oldest, list[0]?.fd ?? -1);
          t.is(queues[index]!.oldestSince, list[0]?.since ?? Number.POSITIVE_INFINITY);
        }
      }
      for (const [index, list] of lists.entries()) {
        for (const { fd } of list) {
          t.is(queues[index]!.oldest, fd);
          queues[index]!.leave(fd);
        }
        t.is(queues[index]!.oldest, -1);
      }
    }),
    { numRuns: 300 },
  );
});

test('what has left may join again, at the end', (t) => {
  const queue = new Fifo(createLinks(8));
  for (const fd of [5, 3, 7]) queue.join(fd, fd);
  queue.leave(5);
  queue.join(5, 99);
  const order: number[] = [];
  while (queue.oldest >= 0) {
    order.push(queue.oldest);
    queue.leave(queue.oldest);
  }
  t.deepEqual(order, [3, 7, 5]);
});
