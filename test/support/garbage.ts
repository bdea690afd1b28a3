/** Peers of the deliveries' socket that say anything and close at any moment; seeded, so that a failure can be had again. */
import { setTimeout as delay } from 'node:timers/promises';
import { SystemError } from '../../shared/sys/libc.ts';
import { createFdMessenger } from '../../shared/sys/pass-fds.ts';
import { closeFd } from '../../shared/sys/sockets.ts';
import { connectSeqpacket } from '../../shared/sys/unix-sockets.ts';
import { encodeControl, type FromDelivery } from '../../shared/wire/control.ts';

const messenger = createFdMessenger(32_768);

/** mulberry32. */
function createRandom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

async function connect(path: string): Promise<number> {
  for (;;) {
    try {
      return connectSeqpacket(path);
    } catch (error) {
      // The queue of those that wait to be accepted is full.
      if (!(error instanceof SystemError) || error.code !== 'EAGAIN') throw error;
      await delay(1);
    }
  }
}

const hello = (name: string, version = 1): FromDelivery => ({
  type: 'hello',
  version,
  name,
  pid: 1,
  credits: 10,
  weight: 1,
  direct: null,
  active: 0,
});

export function sayHello(fd: number, name: string): void {
  const bytes = encodeControl(hello(name));
  messenger.bytes.set(bytes);
  messenger.send(fd, bytes.length, 0);
}

/** `count` peers, one after the other; every second one closes at once, the others when 32 more have come. */
export async function sendGarbage(path: string, count: number, seed: number): Promise<void> {
  const random = createRandom(seed);
  const say = (fd: number, bytes: Uint8Array, fds: readonly number[] = []): void => {
    messenger.bytes.set(bytes);
    messenger.fds.set(fds);
    messenger.send(fd, bytes.length, fds.length);
  };
  const tell = (fd: number, message: FromDelivery): void => say(fd, encodeControl(message));
  const noise = (): Uint8Array => Uint8Array.from({ length: 1 + random(200) }, () => random(256));
  const kinds: ((fd: number) => void)[] = [
    (fd) => say(fd, Buffer.from('garbage')),
    (fd) => say(fd, noise()),
    (fd) => say(fd, Buffer.alloc(20_000, 0x61)),
    (fd) => say(fd, new Uint8Array(0)),
    (fd) => say(fd, noise(), [0, 1, 2, 0]),
    (fd) => tell(fd, hello('garbage', 9)),
    (fd) => tell(fd, hello(`garbage-${random(30)}`)),
    (fd) => {
      tell(fd, hello(`garbage-${random(30)}`));
      say(fd, noise(), [0, 1]);
    },
    (fd) => {
      tell(fd, hello(`garbage-${random(30)}`));
      for (let i = 0; i < 50; i++) tell(fd, { type: 'pong', direct: i });
    },
    () => {},
  ];
  const kept: number[] = [];
  for (let i = 0; i < count; i++) {
    const fd = await connect(path);
    kinds[random(kinds.length)]!(fd);
    if (random(2) === 0) closeFd(fd);
    else kept.push(fd);
    if (kept.length > 32) closeFd(kept.splice(random(kept.length), 1)[0]!);
  }
  kept.forEach(closeFd);
}
