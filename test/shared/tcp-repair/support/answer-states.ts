/** States of a client by what it takes of its answer, and what else can come of it. */
import { until } from '../../../support/until.ts';
import { ANSWER, answer, firstFlight, inState, type State, unread, WITHIN_MS } from './moving-case.ts';
import { ACK, CWR, ECE, FIN, PSH, URG } from './raw-segments.ts';

export const answerStates: readonly State[] = [
  {
    name: 'a window that is closed before anything is sent',
    async before(c) {
      await c.raw.window(c.id, 0);
      return await c.head.put(c.fd, answer.subarray(0, 10));
    },
  },
  {
    name: 'a window that closes behind half of the answer',
    async before(c) {
      await c.raw.mute(c.id);
      const written = await c.head.put(c.fd, answer.subarray(0, ANSWER / 2));
      await c.raw.until(c.id, Math.min(written, firstFlight(c)), WITHIN_MS);
      await c.raw.window(c.id, 0);
      return written + (await c.head.put(c.fd, answer.subarray(written)));
    },
  },
  {
    name: 'a window of less than a segment',
    async before(c) {
      await c.raw.window(c.id, c.options.scale === null ? 50 : 256);
      return await c.head.put(c.fd, answer.subarray(0, ANSWER / 2));
    },
  },
  {
    name: 'holes in the request',
    async before(c) {
      await c.raw.segment(c.id, 0, 500);
      await c.raw.segment(c.id, 1000, 1500);
      await c.raw.segment(c.id, 2000, 2500);
      await unread(c, 500);
    },
  },
  {
    name: 'holes in the answer, which it has told of by SACK',
    async before(c) {
      await c.raw.mute(c.id);
      await c.raw.lose(c.id, 2);
      const written = await c.head.put(c.fd, answer.subarray(0, ANSWER / 2));
      await until(
        'a hole',
        () => c.raw.state(c.id),
        ({ early }) => early > 0,
      );
      await c.raw.bare(c.id, ACK);
      return written;
    },
  },
  {
    name: 'three acknowledgments of the same',
    async before(c) {
      await c.raw.mute(c.id);
      const written = await c.head.put(c.fd, answer.subarray(0, ANSWER / 2));
      await c.raw.until(c.id, Math.min(written, firstFlight(c)), WITHIN_MS);
      for (let i = 0; i < 3; i++) await c.raw.bare(c.id, ACK, { ackedBytes: 0 });
      return written;
    },
  },
  {
    name: 'an answer that it has and has not acknowledged, so that the head sends it again',
    async before(c) {
      await c.raw.mute(c.id);
      const written = await c.head.put(c.fd, answer.subarray(0, ANSWER / 2));
      await c.raw.until(c.id, Math.min(written, firstFlight(c)), WITHIN_MS);
      await until(
        'what it has again',
        () => c.raw.state(c.id),
        ({ repeats }) => repeats > 0,
      );
      return written;
    },
  },
  {
    name: 'half of the answer acknowledged, in the middle of a segment',
    async before(c) {
      await c.raw.mute(c.id);
      const written = await c.head.put(c.fd, answer.subarray(0, ANSWER / 2));
      await c.raw.until(c.id, Math.min(written, firstFlight(c)), WITHIN_MS);
      await c.raw.bare(c.id, ACK, { ackedBytes: 777 });
      return written;
    },
  },
  {
    name: 'an acknowledgment of what was never sent',
    before: (c) => c.raw.bare(c.id, ACK, { ackedBytes: 99_999 }),
    after: (c) => c.raw.bare(c.id, ACK, { ackedBytes: 99_999 }),
  },
  {
    name: 'an urgent byte that nobody has read',
    async before(c) {
      await c.raw.segment(c.id, 0, 1000, ACK | PSH | URG, { urgent: 500 });
      await until(
        'data',
        () => c.head.unread(c.fd),
        (n) => n > 0,
      );
    },
    ends: 'urgent-data',
    unread: true,
  },
  {
    name: 'an urgent pointer that comes when it has moved',
    unread: true,
    after: (c) => c.raw.segment(c.id, 0, 1, ACK | PSH | URG, { urgent: 5000 }),
  },
  {
    name: 'a keep-alive probe',
    before: (c) => c.raw.segment(c.id, 0, 0, ACK, { seqBefore: 1 }),
    after: (c) => c.raw.segment(c.id, 0, 0, ACK, { seqBefore: 1 }),
  },
  {
    name: 'a packet with an old timestamp',
    after: (c) => c.raw.segment(c.id, 0, 100, ACK | PSH, { tsval: 1 }),
  },
  {
    name: 'data beyond its window',
    before: (c) => c.raw.segment(c.id, 0, 100, ACK | PSH, { seqBefore: -10_000_000 }),
    after: (c) => c.raw.segment(c.id, 0, 100, ACK | PSH, { seqBefore: -10_000_000 }),
  },
  {
    name: 'congestion told by ECE and CWR',
    before: (c) => c.raw.bare(c.id, ACK | ECE | CWR),
    after: (c) => c.raw.bare(c.id, ACK | ECE | CWR),
  },
  {
    name: 'a server that has ended its side',
    async before(c) {
      await c.head.finish(c.fd);
    },
    ends: 'closing',
    gone: true,
  },
  {
    name: 'both sides ended',
    finishes: true,
    async before(c) {
      await c.raw.has(c.id, Buffer.alloc(0), true);
      await c.raw.segment(c.id, 0, 0, ACK | FIN);
      await inState(c, 'close-wait');
      await c.raw.mute(c.id);
      await c.head.finish(c.fd);
      await inState(c, 'last-ack');
    },
    ends: 'closing',
    gone: true,
  },
  {
    name: 'a client that has gone without a word',
    async whileHeld(c) {
      await c.raw.forget(c.id);
    },
    gone: true,
  },
];
