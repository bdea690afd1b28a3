/**
 * The names that an operator has drained, kept in a file beside the deliveries' socket: the wish outlives the delivery and
 * the head, until somebody takes it back.
 */
import { lstatSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import type { Logger } from '../shared/log.ts';
import { deliveryName } from '../shared/wire/control.ts';

/** Bytes of the file, at most. */
const FILE_MAX = 64 * 1024;

const names = z.array(deliveryName);

export class Drained {
  readonly #file: string;
  readonly #log: Logger;
  #names = new Set<string>();

  /** `socket` is the path of the deliveries' socket. */
  constructor(socket: string, log: Logger) {
    this.#file = `${socket}.drained`;
    this.#log = log;
  }

  /** Reads what an earlier head has left; once the socket's folder is known to be ours. */
  load(): void {
    const list = this.#read();
    this.#names = new Set(list);
    if (list.length > 0)
      this.#log.warn({ drained: list }, `still drained since an earlier head: ${list.join(', ')}`);
  }

  has(name: string): boolean {
    return this.#names.has(name);
  }

  /** Remembers, also where the file can not be written: that is said. */
  set(name: string, on: boolean): void {
    if (on) this.#names.add(name);
    else this.#names.delete(name);
    try {
      this.#write();
    } catch (error) {
      const problem = (error as Error).message;
      this.#log.warn({ file: this.#file }, `the next head will not know who is drained: ${problem}`);
    }
  }

  #read(): string[] {
    try {
      const stat = lstatSync(this.#file, { throwIfNoEntry: false });
      if (!stat) return [];
      // In a folder that others may write to somebody else may have put it there.
      if (!stat.isFile() || stat.uid !== process.getuid!() || stat.size > FILE_MAX)
        throw new Error('it is not ours');
      return names.parse(JSON.parse(readFileSync(this.#file, 'utf8')));
    } catch (error) {
      this.#log.warn({ file: this.#file }, `who was drained is not known: ${(error as Error).message}`);
      return [];
    }
  }

  /** Whole or not at all. */
  #write(): void {
    if (this.#names.size === 0) return rmSync(this.#file, { force: true });
    const draft = `${this.#file}.${process.pid}`;
    rmSync(draft, { force: true });
    writeFileSync(draft, `${JSON.stringify([...this.#names])}\n`, { mode: 0o600, flag: 'wx' });
    renameSync(draft, this.#file);
  }
}
