/**
 * What a service says to whoever started it: systemd, or `baton keeper`, which plays its part (sd_notify(3)). Without one, and
 * where it cannot be told, nothing is lost: the service runs all the same, and is ended where that is waited for in vain.
 */
import { EAGAIN, ENOBUFS } from '../../shared/sys/libc.ts';
import { createFdMessenger } from '../../shared/sys/pass-fds.ts';
import { closeFd, duplicateFd } from '../../shared/sys/sockets.ts';
import { connectDatagram } from '../../shared/sys/unix-sockets.ts';

const MESSAGE_MAX = 1024;
/** A manager that has not read yet what it was told is told again after so long, milliseconds. */
const AGAIN_MS = 20;
/** Messages that wait for it at most. */
const WAITING_MAX = 1024;

interface Message {
  readonly text: string;
  /** A copy of our own, closed when it is sent; -1: none. */
  readonly fd: number;
}

export class ServiceManager {
  readonly #socket: number;
  readonly #messenger = createFdMessenger(MESSAGE_MAX);
  readonly #waiting: Message[] = [];
  #again: NodeJS.Timeout | undefined;

  private constructor(socket: number) {
    this.#socket = socket;
  }

  /** The one that this process was started by; undefined: by none. */
  static ofThisProcess(path = process.env.NOTIFY_SOCKET): ServiceManager | undefined {
    if (!path) return undefined;
    try {
      return new ServiceManager(connectDatagram(path));
    } catch {
      return undefined;
    }
  }

  /** Words such as READY=1. */
  say(...words: readonly string[]): void {
    this.#send(words, -1);
  }

  /** Has it keep a copy of a socket for the next process of this service. */
  keep(name: string, fd: number): void {
    // A listener that breaks is not one that nobody wants any more.
    this.#send(['FDSTORE=1', `FDNAME=${name}`, 'FDPOLL=0'], duplicateFd(fd));
  }

  forget(name: string): void {
    this.#send(['FDSTOREREMOVE=1', `FDNAME=${name}`], -1);
  }

  #send(words: readonly string[], fd: number): void {
    const message = { text: words.map((word) => `${word}\n`).join(''), fd };
    if (this.#waiting.length < WAITING_MAX) this.#waiting.push(message);
    else if (fd >= 0) closeFd(fd);
    if (!this.#again) this.#flush();
  }

  #flush(): void {
    this.#again = undefined;
    while (this.#waiting.length > 0) {
      const { text, fd } = this.#waiting[0]!;
      const length = this.#messenger.bytes.write(text);
      this.#messenger.fds[0] = fd;
      const sent = this.#messenger.send(this.#socket, length, fd < 0 ? 0 : 1);
      if (sent === EAGAIN || sent === ENOBUFS) {
        this.#again = setTimeout(() => this.#flush(), AGAIN_MS).unref();
        return;
      }
      if (fd >= 0) closeFd(fd);
      this.#waiting.shift();
    }
  }
}

/** As `ofThisProcess`. Asked for once, as what it is told has an order. */
export const serviceManager = ServiceManager.ofThisProcess();
