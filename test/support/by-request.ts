/** A cluster that distributes by request, for all tests of a file: three deliveries that say which of them has answered what. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext, TestFn } from 'ava';
import { type Cluster, startCluster } from './cluster.ts';
import { type Answer, endAllKept, type Kept, keepAlive } from './keep-alive.ts';
import { until } from './until.ts';

const app = fileURLToPath(new URL('./requests-app.ts', import.meta.url));

interface Said {
  readonly pid: number;
  readonly method: string;
  readonly url: string;
  readonly body: string;
}
export const said = ({ body }: Answer): Said => JSON.parse(body) as Said;

export const paths = Array.from({ length: 24 }, (_, i) => `/page/${i}`);

/** The next `count` answers to what was written by hand. */
export async function answers(client: Kept, count: number): Promise<Said[]> {
  const text = await until(
    `${count} answers`,
    () => client.unasked,
    (all) => all.split('"}').length > count,
  );
  return [...text.matchAll(/\{"pid".*?"\}/g)].map(([json]) => JSON.parse(json) as Said);
}

export const request = (path: string, ...fields: string[]): string =>
  [`GET ${path} HTTP/1.1`, 'Host: a', ...fields, '\r\n'].join('\r\n');

export const over = ({ socket }: Kept): void => void socket.destroy();

const ATTEMPTS = 4;

interface ByRequest {
  readonly cluster: Cluster;
  /**
   * Declares a test of whose each request is. A delivery that the machine has let wait for a tenth of a second is passed over, as
   * it should be; what it would have got is another's then, and the test is tried again: a fault is there each time.
   */
  whose(title: string, body: (t: ExecutionContext) => Promise<void>): void;
  /** What the head reads when it is told to read its settings again; at first `path-hash`, by requests. */
  configure(settings: object): void;
  /** The process to which the path belongs under `path-hash`. */
  ownerOf(path: string): number;
  /** Paths of two deliveries. */
  two(): [string, string];
  /** A connection that the owner of `path` has. */
  on(path: string): Promise<Kept>;
  /**
   * Deliveries hear of what is in force a moment after the head has it: waits until each gives away what is another's. `whose`:
   * where connections that begin with a path go.
   */
  untilAllGive(whose?: (path: string) => number): Promise<void>;
  /** Waits until the delivery that has it gives nothing away, whoever could have it. */
  untilStays(client: Kept): Promise<void>;
}

/** Its tests must be serial, and leave the policy as it was; call at the file's top. */
export function byRequest(test: TestFn): ByRequest {
  const folder = mkdtempSync(join(tmpdir(), 'baton-requests-'));
  const config = join(folder, 'head.json');
  const configure = (settings: object) => writeFileSync(config, JSON.stringify(settings));
  let cluster: Cluster;
  const owners = new Map<string, number>();
  const undo: (() => Promise<void>)[] = [];
  test.before(async () => {
    configure({ policy: 'path-hash', distribute: 'requests' });
    cluster = await startCluster(
      { teardown: (step) => undo.push(step) },
      ['--workers', '2', '--config', config],
      [],
    );
    for (const name of ['d1', 'd2', 'd3']) await cluster.addDelivery(name, '--app', app);
    // Where each path belongs, by connections that are new: whoever gets it twice was not passed over for another.
    for (const path of paths) {
      let [once, twice] = [await firstAt(path), await firstAt(path)];
      while (once !== twice) [once, twice] = [twice, await firstAt(path)];
      owners.set(path, once);
    }
  });
  async function firstAt(path: string): Promise<number> {
    const client = await keepAlive(cluster.listen);
    const { pid } = said(await client.ask(path));
    over(client);
    return pid;
  }
  test.after.always(async () => {
    for (const step of undo.reverse()) await step();
    rmSync(folder, { recursive: true });
  });
  const ownerOf = (path: string): number => owners.get(path)!;
  return {
    get cluster() {
      return cluster;
    },
    configure,
    ownerOf,
    two() {
      const [first] = paths;
      return [first!, paths.find((path) => ownerOf(path) !== ownerOf(first!))!];
    },
    whose(title, body) {
      test.serial(title, async (t) => {
        for (let left = ATTEMPTS - 1; ; left--) {
          const attempt = await t.try(body);
          if (attempt.passed || left === 0) return attempt.commit();
          attempt.discard();
          endAllKept();
        }
      });
    },
    async on(path) {
      for (let left = ATTEMPTS - 1; ; left--) {
        const client = await keepAlive(cluster.listen);
        if (said(await client.ask(path)).pid === ownerOf(path)) return client;
        over(client);
        if (left === 0) throw new Error('it is not where its path belongs');
      }
    },
    async untilAllGive(whose = ownerOf) {
      for (const pid of new Set(paths.map(whose))) {
        const own = paths.find((path) => whose(path) === pid)!;
        const other = paths.find((path) => whose(path) !== pid)!;
        await until(
          `${pid} gives away what is another's`,
          async () => {
            const client = await keepAlive(cluster.listen);
            await client.ask(own);
            const { pid: answers } = said(await client.ask(other));
            over(client);
            return answers;
          },
          (answers) => answers === whose(other),
        );
      }
    },
    async untilStays(client) {
      await until(
        'it stays',
        async () => {
          const pids = new Set<number>();
          for (const path of paths) pids.add(said(await client.ask(path)).pid);
          return pids.size;
        },
        (count) => count === 1,
      );
    },
  };
}
