import { once } from 'node:events';
import test from 'ava';
import { seqpacketPair } from '../../../shared/sys/unix-sockets.ts';
import { type Channel, openChannel } from '../../../shared/wire/channel.ts';
import { CONTROL_MESSAGE_MAX, decodeFromDelivery, decodeFromHead } from '../../../shared/wire/control.ts';

/** A channel, and what came of it in order: messages, then 'end'. */
function record(fd: number): {
  channel: Channel;
  came: (Buffer | 'end')[];
  more(count: number): Promise<void>;
} {
  const came: (Buffer | 'end')[] = [];
  const target = new EventTarget();
  const add = (what: Buffer | 'end') => {
    came.push(what);
    target.dispatchEvent(new Event('came'));
  };
  const channel = openChannel(fd, { onMessage: (bytes) => add(Buffer.from(bytes)), onEnd: () => add('end') });
  return {
    channel,
    came,
    async more(count) {
      while (came.length < count) await once(target, 'came', { signal: AbortSignal.timeout(5000) });
    },
  };
}

test('messages go both ways, each whole, in order', async (t) => {
  const [left, right] = seqpacketPair();
  const [head, delivery] = [record(left), record(right)];
  t.true(head.channel.send({ type: 'ping' }));
  head.channel.send({ type: 'drained' });
  delivery.channel.send({ type: 'pong', direct: 3 });
  await Promise.all([delivery.more(2), head.more(1)]);
  t.deepEqual(
    delivery.came.map((bytes) => decodeFromHead(bytes as Buffer).type),
    ['ping', 'drained'],
  );
  t.deepEqual(decodeFromDelivery(head.came[0] as Buffer), { type: 'pong', direct: 3 });
  head.channel.close();
  delivery.channel.close();
});

test('the end of the peer is told once, and nothing can be sent after it', async (t) => {
  const [left, right] = seqpacketPair();
  const [head, delivery] = [record(left), record(right)];
  delivery.channel.close();
  await head.more(1);
  t.deepEqual(head.came, ['end']);
  t.false(head.channel.send({ type: 'ping' }));
  head.channel.close();
  t.deepEqual([head.came, delivery.came], [['end'], []], 'who closes is not told');
});

test('what was sent before the end still arrives', async (t) => {
  const [left, right] = seqpacketPair();
  const [head, delivery] = [record(left), record(right)];
  head.channel.send({ type: 'refused', code: 'NAME_TAKEN', reason: 'x'.repeat(1000) });
  head.channel.end();
  t.false(head.channel.send({ type: 'ping' }));
  await delivery.more(2);
  t.is(decodeFromHead(delivery.came[0] as Buffer).type, 'refused');
  t.is(delivery.came[1], 'end');
});

test('a message that is too long arrives as too long, not cut to fit', async (t) => {
  const [left, right] = seqpacketPair();
  const [head, delivery] = [record(left), record(right)];
  delivery.channel.send({ type: 'refused', code: 'c', reason: 'x'.repeat(CONTROL_MESSAGE_MAX) });
  await head.more(1);
  t.is((head.came[0] as Buffer).length, CONTROL_MESSAGE_MAX + 1);
  t.throws(() => decodeFromHead(head.came[0] as Buffer), { message: /a control message of 16385 bytes/ });
  head.channel.close();
  delivery.channel.close();
});
