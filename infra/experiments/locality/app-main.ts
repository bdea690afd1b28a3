/**
 * What the deliveries of `locality` serve (`baton delivery --app`): pages that are in a cache of so many, or on a disk with one
 * arm, which takes 10 ms for each. The cache forgets what was asked for least recently.
 *
 *     /page/N      the page, and in `x-cache` whether it was there
 *     /begin/SIZE  the cache is empty, and holds so many from now on
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

const DISK_MS = 10;
const PAGE = Buffer.from('abcdefghij'.repeat(100));

/** The one that was asked for least recently is first. */
let cache = new Set<string>();
let size = 1;
/** On their way from the disk. */
let reads = new Map<string, Promise<void>>();
let arm: Promise<void> = Promise.resolve();

export default async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [, verb, what = ''] = (request.url ?? '').split('/');
  if (verb === 'begin') {
    size = Number(what);
    cache = new Set();
    reads = new Map();
    return void response.end();
  }
  const isHit = cache.has(what);
  if (isHit) cache.delete(what);
  else await read(what);
  cache.add(what);
  if (cache.size > size) cache.delete(cache.values().next().value!);
  response.writeHead(200, { 'content-length': PAGE.length, 'x-cache': isHit ? 'hit' : 'miss' }).end(PAGE);
}

/** Who asks for what is being read waits for the same. */
function read(what: string): Promise<void> {
  const under = reads.get(what);
  if (under) return under;
  const mine = reads;
  arm = arm.then(() => delay(DISK_MS));
  const done = arm.then(() => void mine.delete(what));
  reads.set(what, done);
  return done;
}
