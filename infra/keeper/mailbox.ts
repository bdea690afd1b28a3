/** What heads say to their keeper: the words of sd_notify(3), and copies of their sockets. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createFdMessenger } from '../../shared/sys/pass-fds.ts';
import { type Readiness, watchReadable } from '../../shared/sys/readiness.ts';
import { closeFd } from '../../shared/sys/sockets.ts';
import { bindDatagram } from '../../shared/sys/unix-sockets.ts';

const MESSAGE_MAX = 4096;
const PREFIX = 'baton-keeper-';

export interface Mail {
  readonly words: ReadonlyMap<string, string>;
  /** The receiver's. */
  readonly fds: readonly number[];
}

export class Mailbox {
  /** For NOTIFY_SOCKET. Its folder is nobody else's. */
  readonly path: string;
  readonly #folder: string;
  readonly #fd: number;
  readonly #messenger = createFdMessenger(MESSAGE_MAX);
  readonly #onMail: (mail: Mail) => void;
  readonly #readiness: Readiness;

  constructor(onMail: (mail: Mail) => void) {
    this.#onMail = onMail;
    sweep();
    this.#folder = mkdtempSync(join(tmpdir(), `${PREFIX}${process.pid}-`));
    this.path = join(this.#folder, 'notify.sock');
    this.#fd = bindDatagram(this.path);
    this.#readiness = watchReadable(this.#fd, () => this.read());
  }

  /** Reads what has come. */
  read(): void {
    for (let n = this.#receive(); n >= 0; n = this.#receive()) {
      const { received, fds, bytes } = this.#messenger;
      const lines = bytes.toString('utf8', 0, n).split('\n');
      const words = lines.map((line) => /^([^=]*)=(.*)$/.exec(line)).filter((word) => word !== null);
      this.#onMail({
        words: new Map(words.map(([, key, value]) => [key!, value!])),
        fds: [...fds.subarray(0, received)],
      });
    }
  }

  #receive = (): number => this.#messenger.receive(this.#fd);

  close(): void {
    this.#readiness.close();
    closeFd(this.#fd);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Folders of keepers that were killed. */
function sweep(): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1];
    if (pid === undefined || isRunning(Number(pid))) continue;
    try {
      rmSync(join(tmpdir(), name), { recursive: true, force: true });
    } catch {
      // Another user's.
    }
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
