/** States of a client by what it sends: its request, its end, a reset, a forgery. */
import { inState, REQUEST, type State, sendRange, unread } from './moving-case.ts';
import { ACK, FIN, PSH, RST, SYN } from './raw-segments.ts';

export const requestStates: readonly State[] = [
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
      await c.raw.segment(c.id, REQUEST, REQUEST, ACK | FIN);
      await inState(c, 'close-wait');
    },
  },
  {
    name: 'FIN in the last segment with data',
    finishes: true,
    async before(c) {
      await sendRange(c, 0, REQUEST - 500);
      await c.raw.segment(c.id, REQUEST - 500, REQUEST, ACK | FIN | PSH);
      await inState(c, 'close-wait');
    },
  },
  {
    name: 'FIN before there is any data at all, and sent again',
    finishes: true,
    async before(c) {
      await c.raw.has(c.id, Buffer.alloc(0), true);
      await c.raw.segment(c.id, 0, 0, ACK | FIN);
      await inState(c, 'close-wait');
    },
    after: (c) => c.raw.segment(c.id, 0, 0, ACK | FIN),
  },
  {
    name: 'FIN behind a hole',
    finishes: true,
    async before(c) {
      await sendRange(c, 0, 1000);
      await c.raw.segment(c.id, 2000, REQUEST, ACK | FIN | PSH);
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
    whileHeld: (c) => c.raw.segment(c.id, REQUEST, REQUEST, ACK | FIN),
  },
  {
    name: 'FIN while it is frozen',
    finishes: true,
    async before(c) {
      await sendRange(c, 0, REQUEST);
      await unread(c, REQUEST);
    },
    async whileFrozen(c) {
      await c.raw.segment(c.id, REQUEST, REQUEST, ACK | FIN);
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
      await c.raw.bare(c.id, RST);
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
      await c.raw.segment(c.id, 1000, 1000, RST);
      await inState(c, 'closed');
    },
    ends: 'closed',
    gone: true,
  },
  {
    name: 'RST while it is frozen',
    async whileFrozen(c) {
      await c.raw.segment(c.id, 0, 0, RST);
      await inState(c, 'closed');
    },
    ends: 'changed',
    gone: true,
  },
  {
    name: 'RST while it is held',
    async whileHeld(c) {
      await c.raw.segment(c.id, 0, 0, RST);
      await c.raw.vanish(c.id);
    },
    gone: true,
  },
  {
    name: 'RST when it has moved',
    async after(c) {
      await c.raw.segment(c.id, 0, 0, RST);
      await c.raw.vanish(c.id);
    },
    gone: true,
  },
  {
    name: 'an RST out of its window, and a SYN: forged, or very old',
    async before(c) {
      await c.raw.bare(c.id, RST, { seq: 12_345 });
      await c.raw.bare(c.id, SYN, { seq: 12_345 });
    },
    async after(c) {
      await c.raw.bare(c.id, RST, { seq: 12_345 });
      await c.raw.bare(c.id, SYN, { seq: 12_345 });
    },
  },
];
