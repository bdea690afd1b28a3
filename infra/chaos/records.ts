/** What the two sides of a visit write down, each line before it can matter: a kill loses nothing that was written. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Milliseconds of a clock that all processes of a kernel share and nobody sets: the time of day may jump. */
export const now = (): number => Number(process.hrtime.bigint() / 1_000_000n);

/** A delivery of the first head's own host, as chaos names them. */
export const isLocal = (name: string): boolean => name.startsWith('l');

/** By a delivery's application, before it says anything to the client. */
export interface Served {
  readonly id: string;
  readonly pid: number;
  /** Of the delivery. */
  readonly name: string;
  /** Which connection of that process. */
  readonly connection: number;
  readonly at: number;
}

/** By a client: one request. Moments are those of `now`. */
export interface Asked {
  readonly id: string;
  readonly kind: string;
  /** Which connection of which client: requests of one share it. */
  readonly connection: string;
  /** The how manieth on its connection, from 0. */
  readonly turn: number;
  /** Nobody can give its connection back: it is upgraded, and its application says so. */
  readonly stays?: true;
  /** When its connection was begun, and when it was asked. */
  readonly connected: number;
  readonly from: number;
}

/** What became of it; missing of what a client was asking when it was killed. */
export interface Ended {
  readonly id: string;
  readonly to: number;
  /** `ok`, `left` by the client as it meant to, or how it failed. */
  readonly result: string;
  /** Who says to have served it. */
  readonly by?: number;
  /** Something of the answer had come. */
  readonly begun: boolean;
  /** Redirects that it followed, their statuses. */
  readonly hops: readonly number[];
}

export interface Records {
  readonly served: readonly Served[];
  readonly asked: readonly Asked[];
  readonly ended: ReadonlyMap<string, Ended>;
}

export function readRecords(folder: string): Records {
  const linesOf = <T>(ending: string): T[] =>
    readdirSync(folder)
      .filter((name) => name.endsWith(ending))
      .flatMap((name) => readFileSync(join(folder, name), 'utf8').split('\n'))
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as T);
  return {
    served: linesOf<Served>('.served'),
    asked: linesOf<Asked>('.asked'),
    ended: new Map(linesOf<Ended>('.ended').map((one) => [one.id, one])),
  };
}
