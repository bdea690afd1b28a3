/**
 * A head's control port, in a process that has no file left when a lane is opened, and has some again when it is opened once
 * more. Prints as JSON why lanes were refused, and which were opened.
 */
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { type AddressInfo, connect } from 'node:net';
import { createServer } from 'node:tls';
import { FrontDoor } from '../../shared/wire/remote/front-door.ts';
import { writeOpening } from '../../shared/wire/remote/opening.ts';
import { laneKeys, linkNameOf, Sealer } from '../../shared/wire/remote/sealed.ts';

const secret = Buffer.alloc(32, 7);
const refused: string[] = [];
const opened: number[] = [];
const door = new FrontDoor({
  tls: createServer(),
  withinMs: 5000,
  onRefused: (_peer, reason) => refused.push(reason),
});
door.offer(secret, { count: 1, onLane: ({ index }) => opened.push(index) });
door.server.listen(0, '127.0.0.1');
await once(door.server, 'listening');
const { port } = door.server.address() as AddressInfo;

/** Opens lane 0, with whatever is done when the head has the connection; resolves when that has closed its own. */
async function open(whenThere: () => void): Promise<void> {
  const accepted = once(door.server, 'connection');
  const socket = connect(port, '127.0.0.1');
  const [head] = await accepted;
  whenThere();
  socket.write(writeOpening(linkNameOf(secret), 0, new Sealer(laneKeys(secret, 0).toHead)));
  await once(head, 'close');
  socket.destroy();
}

const files: number[] = [];
await open(() => {
  try {
    for (;;) files.push(openSync('/dev/null', 'r'));
  } catch {
    // None is left.
  }
});
files.forEach(closeSync);
await open(() => {});
process.stdout.write(JSON.stringify({ refused, opened }));
process.exit();
