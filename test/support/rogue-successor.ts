/** A successor that says what it is told to, and stops anywhere. */

import { type Heard, Pipe } from '../../head/take-over/pipe.ts';
import { EAGAIN } from '../../shared/sys/libc.ts';
import { createFdMessenger } from '../../shared/sys/pass-fds.ts';
import { closeFd } from '../../shared/sys/sockets.ts';
import { connectUnix } from '../../shared/sys/unix-sockets.ts';
import { decodeFromPredecessor, type FromPredecessor } from '../../shared/wire/take-over.ts';
import { until } from './until.ts';

interface Answer {
  readonly text: string;
  /** The socket that came with it. */
  readonly fd: number | undefined;
}

/** What the head at this admin socket answers to these bytes. */
export async function askRaw(admin: string, request: string): Promise<Answer> {
  const fd = connectUnix(admin, 'stream');
  try {
    const messenger = createFdMessenger(65_536);
    messenger.send(fd, messenger.bytes.write(request, 'latin1'), 0);
    const n = await until(
      'an answer',
      () => messenger.receive(fd),
      (length) => length !== EAGAIN,
    );
    const [end] = messenger.fds.subarray(0, n > 0 ? messenger.received : 0);
    return { text: messenger.bytes.toString('latin1', 0, Math.max(n, 0)), fd: end };
  } finally {
    closeFd(fd);
  }
}

export const question = (versions = 'baton-take-over/1'): string =>
  `GET /take-over HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: ${versions}\r\n\r\n`;

export class RogueSuccessor {
  readonly pipe: Pipe<FromPredecessor>;
  /** Of the pipe. */
  readonly fd: number;
  /** All that it was given. */
  readonly fds: number[] = [];

  private constructor(fd: number) {
    this.fd = fd;
    this.pipe = new Pipe(fd, 'predecessor', decodeFromPredecessor);
  }

  static async ask(admin: string, versions?: string): Promise<RogueSuccessor> {
    const { fd, text } = await askRaw(admin, question(versions));
    if (fd === undefined) throw new Error(`no socket came: ${text}`);
    return new RogueSuccessor(fd);
  }

  say(type: 'listening' | 'ready' | 'confirmed'): Promise<void> {
    return this.pipe.send({ type }, performance.now() + 5000);
  }

  /** Reads on until a message of this type has come. */
  async hear(type: FromPredecessor['type']): Promise<FromPredecessor> {
    for (;;) {
      const { message, fds }: Heard<FromPredecessor> = await this.pipe.next(performance.now() + 10_000);
      this.fds.push(...fds);
      if (message.type === type) return message;
    }
  }

  /** As its kernel ends a process that is killed. */
  die(): void {
    this.pipe.close();
    for (const fd of this.fds.splice(0)) closeFd(fd);
  }
}
