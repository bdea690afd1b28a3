/** A delivery of another host that speaks the protocol by hand, so that a test can make it break any rule. */
import { readdirSync } from 'node:fs';
import { peerEndpoint } from '../../shared/sys/endpoints.ts';
import { resetConnection } from '../../shared/sys/sockets.ts';
import { formatHostPort, parseHostPort } from '../../shared/units.ts';
import { type ClientLink, connectLink, type Link } from '../../shared/wire/remote/link.ts';
import { checkToRemote, type FromRemote, type ToRemote } from '../../shared/wire/remote/messages.ts';
import { RogueLanes } from './rogue-lanes.ts';
import { until } from './until.ts';

export interface RogueRemote {
  readonly link: Link;
  /** Anything at all. */
  say(message: FromRemote | object): void;
  /** The next message; pings are answered without being asked, unless it plays dead. */
  next<T extends ToRemote['type']>(type: T): Promise<ToRemote & { type: T }>;
  /** Messages that came and were not asked for. */
  readonly inbox: ToRemote[];
  /** Where its hello says that it opens lanes, and the head offers them. */
  readonly lanes: RogueLanes;
  /** Answers no pings any more. */
  playDead(): void;
  /** Why the link has ended; undefined while it has not. */
  readonly ended: string | undefined;
  /** Leaves without a word, as a killed process does. */
  die(): void;
  /** Its link is reset (RST), as the kernel does when a process has ended with words unread, or somebody between the two. */
  reset(): void;
}

/** Registers with the head whose control address this is; call it from within the namespace of a host of the lab. */
export async function startRogueRemote(
  control: string,
  secret: Buffer,
  hello: object = {},
  /** Said in one breath with hello. */
  alsoSaid: readonly object[] = [],
): Promise<RogueRemote> {
  const inbox: ToRemote[] = [];
  let ended: string | undefined;
  let alive = true;
  const before = new Set(socketsTo(control));
  const lanes = new RogueLanes((message) => inbox.push(message));
  const link: ClientLink = await connectLink(
    parseHostPort(control)!,
    { secret, idleMs: 60_000 },
    {
      onMessage(value) {
        const message = checkToRemote(value);
        if ((message.type === 'welcome' || message.type === 'ahead') && message.lanes)
          void lanes.open(link, message.lanes).then(() => inbox.push(message));
        else if (message.type !== 'ping') inbox.push(message);
        else if (alive) link.send({ type: 'pong', direct: 0 });
      },
      onEnd(reason) {
        ended = reason;
      },
    },
  );
  const [socket] = socketsTo(control).filter((fd) => !before.has(fd));
  const rogue: RogueRemote = {
    link,
    lanes,
    inbox,
    say: (message) => void (lanes.say(message) || link.send(message)),
    async next<T extends ToRemote['type']>(type: T) {
      await until(
        `a ${type}`,
        () => inbox.length,
        (length) => length > 0,
      );
      const message = inbox.shift()!;
      if (message.type !== type) throw new Error(`not ${type}: ${JSON.stringify(message).slice(0, 200)}`);
      return message as ToRemote & { type: T };
    },
    playDead() {
      alive = false;
    },
    get ended() {
      return ended;
    },
    die() {
      lanes.close();
      link.close();
    },
    reset() {
      lanes.reset();
      resetConnection(socket!);
    },
  };
  const greeting = {
    type: 'hello',
    version: 1,
    name: 'rogue',
    pid: process.pid,
    credits: 100,
    weight: 1,
    direct: null,
    active: 0,
    flows: 0,
    ...hello,
  };
  link.together([greeting, ...alsoSaid], rogue.say);
  return rogue;
}

/** This process's sockets that are connected to that address. */
function socketsTo(control: string): number[] {
  return readdirSync('/proc/self/fd')
    .map(Number)
    .filter((fd) => {
      const peer = peerEndpoint(fd);
      return (
        typeof peer === 'object' &&
        formatHostPort({ host: peer.address.join('.'), port: peer.port }) === control
      );
    });
}
