/** One client of the TLS thread: its handshake, the head of its request, the answer that a worker gives, and the end. */
import { Socket } from 'node:net';
import { type SecureContext, TLSSocket, type TLSSocketOptions } from 'node:tls';
import { closeFd, duplicateFd } from '../../shared/sys/sockets.ts';
import type { FromTls, Hearing, TlsLimits } from './messages.ts';

/** While the head stops a client has so long to say what it wants, milliseconds. */
const STOPPING_MS = 1000;
/** A timer that comes so much later than it should tells of a busy thread, milliseconds. */
const BEHIND_MS = 20;
const LF = 0x0a;
const CR = 0x0d;

export interface Contexts {
  readonly first: SecureContext;
  forName(name: string): SecureContext | undefined;
}

export class Session {
  readonly #fd: number;
  readonly #limits: TlsLimits;
  readonly #tell: (message: FromTls) => void;
  readonly #socket: Socket;
  readonly #tls: TLSSocket;
  readonly #began = performance.now();
  #bytes = Buffer.alloc(0);
  #whole = false;
  #answered = false;
  #discarded = 0;
  #timer: NodeJS.Timeout;
  #due = 0;
  #gotMore = false;
  #over = false;

  /** Throws, with nothing left behind, when the fd cannot be copied or adopted. */
  constructor(fd: number, contexts: Contexts, limits: TlsLimits, tell: (message: FromTls) => void) {
    this.#fd = fd;
    this.#limits = limits;
    this.#tell = tell;
    this.#socket = adopt(duplicateFd(fd));
    this.#tls = new TLSSocket(this.#socket, {
      isServer: true,
      secureContext: contexts.first,
      // Of HTTP/2 there would be more to speak than a redirect is worth: who offers nothing else is handed over.
      ALPNProtocols: ['http/1.1'],
      SNICallback: (name, callback) => callback(null, contexts.forName(name)),
    } as TLSSocketOptions);
    this.#timer = this.#setTimer(limits.headTimeoutMs);
    this.#tls.on('secure', () => {
      this.#whole = true;
    });
    this.#tls.on('data', (chunk: Buffer) => this.#onData(chunk));
    this.#tls.on('end', () => this.#onEnd());
    // What is wrong with it ends it, and `close` comes in any case.
    this.#tls.on('error', () => this.#tls.destroy());
    this.#tls.on('_tlsError', () => this.#tls.destroy());
    this.#socket.on('error', () => this.#tls.destroy());
    this.#tls.on('close', () => this.#end());
    this.#socket.on('close', () => this.#end());
  }

  #onData(chunk: Buffer): void {
    if (this.#answered) return this.#discard(chunk.length);
    const before = this.#bytes.length;
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    if (before === 0 || this.#bytes.length >= this.#limits.headBytes || hasHead(this.#bytes, before))
      this.#hear('more');
    // Nothing of a body is needed for an answer.
    if (this.#bytes.length >= this.#limits.headBytes) this.#tls.pause();
  }

  #discard(bytes: number): void {
    this.#discarded += bytes;
    clearTimeout(this.#timer);
    this.#timer = this.#setTimer(this.#limits.lingerIdleMs);
    const { lingerBytes, lingerTotalMs } = this.#limits;
    if (this.#discarded > lingerBytes || performance.now() - this.#began > lingerTotalMs) this.#tls.destroy();
  }

  #onEnd(): void {
    if (!this.#answered) this.#hear('ended');
  }

  #setTimer(ms: number): NodeJS.Timeout {
    this.#due = performance.now() + ms;
    return setTimeout(() => this.#expired(), ms);
  }

  /**
   * A thread that was busy comes to its timers before it reads what has come meanwhile: that is read first. A client that
   * waited for this thread gets that time once more.
   */
  #expired(): void {
    const timer = this.#timer;
    const behind = performance.now() - this.#due;
    setImmediate(() => {
      if (this.#over || this.#timer !== timer) return;
      if (this.#answered || this.#gotMore || behind < BEHIND_MS) return this.#late();
      this.#gotMore = true;
      this.#timer = this.#setTimer(behind);
    });
  }

  #late(): void {
    if (this.#answered || !this.#whole) this.#tls.destroy();
    else this.#hear('late');
  }

  #hear(how: Hearing): void {
    // A copy: what is posted from a buffer of Node's pool would take the whole pool along.
    this.#tell({ type: 'heard', fd: this.#fd, bytes: new Uint8Array(this.#bytes), how });
  }

  /** Sends the answer and its end; nothing where there is none to give. */
  answer(bytes: Uint8Array): void {
    if (this.#answered) return;
    this.#answered = true;
    this.#bytes = Buffer.alloc(0);
    clearTimeout(this.#timer);
    this.#timer = this.#setTimer(this.#limits.lingerIdleMs);
    if (bytes.length > 0) this.#tls.end(bytes);
    else this.#tls.end();
    this.#tls.resume();
  }

  /** The head stops. */
  hurry(): void {
    if (this.#answered) return;
    clearTimeout(this.#timer);
    this.#timer = this.#setTimer(STOPPING_MS);
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    this.#tls.destroy();
    this.#socket.destroy();
    this.#tell({ type: 'over', fd: this.#fd, whole: this.#whole });
  }
}

function adopt(fd: number): Socket {
  try {
    // Half open: the client may have said all that it will, and gets its answer.
    return new Socket({ fd, readable: true, writable: true, allowHalfOpen: true });
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}

/** Whether an empty line, which ends a head, may have come with the bytes from `from` on. */
function hasHead(bytes: Buffer, from: number): boolean {
  let at = bytes.indexOf(LF, from);
  for (; at >= 0; at = bytes.indexOf(LF, at + 1)) {
    if (at >= 1 && bytes[at - 1] === LF) return true;
    if (at >= 2 && bytes[at - 1] === CR && bytes[at - 2] === LF) return true;
  }
  return false;
}
