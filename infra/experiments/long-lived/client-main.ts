/**
 * Clients that stay, and others that come meanwhile, as a process of its own on a lab's client host: its argument is JSON
 * (`Orders`), and so is what it prints.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { Clients, now } from '../../visits/clients.ts';
import { Security } from '../../visits/secure.ts';
import { Redirects, resolveTarget, type Target } from '../../visits/target.ts';
import { Follower } from './follower.ts';
import { BIN_MS, type Counts, ordersSchema, type What, whats } from './result.ts';
import { Talk, type TalkPlan } from './talk.ts';

/** A new connection that has brought nothing by then has failed. */
const NEW_WITHIN_MS = 3000;
/** After the end, for what is under way. */
const GRACE_MS = 2000;
/** More events than anybody stays for. */
const EVENTS = 1_000_000;

const orders = ordersSchema.parse(JSON.parse(process.argv[2]!));
const { hosts, connections, everyMs, newEveryMs, durationMs } = orders;
const plan: TalkPlan = {
  clients: new Clients(),
  security: new Security({ ca: readFileSync(orders.caFile, 'latin1') }),
  redirects: new Redirects(),
};
const start = now() + (orders.startAt - Date.now()) * 1000;
const end = start + durationMs * 1000;

const kinds = await Promise.all(
  whats.flatMap((what) => [false, true].map((overTls) => kindOf(what, overTls))),
);
const clocks = setInterval(() => plan.clients.syncClocks(), 20);
// Not all in one moment: what is measured is what comes of them, not a crowd.
const followed = kinds.map((kind) => ({
  ...kind,
  came: Array<number>(Math.ceil(durationMs / BIN_MS)).fill(0),
  followers: [] as Follower[],
}));
for (let index = 0; index < connections; index++) {
  for (const { what, targets, came, followers } of followed) {
    const target = targets[index % targets.length]!;
    followers.push(new Follower({ ...plan, everyMs, start, end, came }, what, target));
    await delay(5);
  }
}
await delay((start - now()) / 1000);
const late = followed.map(({ followers }) => followers.filter(({ open }) => !open).length);
const results = await Promise.all(followed.map(watch));
clearInterval(clocks);
process.stdout.write(
  `${JSON.stringify(results.map((result, index) => ({ ...result, late: late[index] })))}\n`,
);
process.exit(0);

async function kindOf(what: What, overTls: boolean) {
  const scheme = what === 'WebSocket' ? 'ws' : 'http';
  const path = what === 'WebSocket' ? '/' : `/events/${EVENTS}/${everyMs}`;
  const urls = hosts.map((host) => `${scheme}${overTls ? 's' : ''}://${host}${path}`);
  return { what, overTls, targets: await Promise.all(urls.map(resolveTarget)) };
}

async function watch({
  what,
  overTls,
  targets,
  came,
  followers,
}: (typeof followed)[number]): Promise<Omit<Counts, 'late'>> {
  const newcomers: Promise<{ at: number; took: number }>[] = [];
  await Promise.all([
    every(everyMs, followers.length, (_, index) => followers[index]!.tick()),
    every(newEveryMs, 1, (count) => newcomers.push(comeNew(what, targets[count % targets.length]!))),
  ]);
  const late = now() + GRACE_MS * 1000;
  while (now() < late && !followers.every(({ settled }) => settled)) await delay(10);
  for (const follower of followers) follower.finish();
  const found = await Promise.all(newcomers);
  const sum = (of: (each: Follower) => number) => followers.reduce((all, each) => all + of(each), 0);
  return {
    what,
    overTls,
    due: sum(({ due }) => due),
    lost: sum(({ lost }) => lost),
    longestGapMs: Math.max(...followers.map(({ longestGapMicros }) => longestGapMicros)) / 1000,
    connectionsLost: sum(({ connectionsLost }) => connectionsLost),
    came,
    newAtMs: found.map(({ at }) => at),
    newTookMs: found.map(({ took }) => took),
  };
}

/** So many in turns, each once a period, evenly: until the end. A process that is late has the missed ones follow at once. */
async function every(
  periodMs: number,
  many: number,
  act: (count: number, index: number) => void,
): Promise<void> {
  for (let turn = 0; ; turn++) {
    const due = start + (turn * periodMs * 1000) / many;
    if (due >= end) return;
    const wait = (due - now()) / 1000;
    if (wait > 0) await delay(wait);
    act(turn, turn % many);
  }
}

/** Somebody new: until the first message. */
function comeNew(what: What, target: Target): Promise<{ at: number; took: number }> {
  const began = now();
  return new Promise((resolve) => {
    const over = (isServed: boolean, until = now()) => {
      clearTimeout(timer);
      talk.close();
      resolve({
        at: (began - start) / 1000,
        took: (isServed ? 1 : -1) * Math.max(0.001, (until - began) / 1000),
      });
    };
    const timer = setTimeout(() => over(false), NEW_WITHIN_MS);
    const talk = new Talk(plan, what, target, {
      onOpen: () => what === 'WebSocket' && talk.send('hello'),
      onMessage: (at) => over(true, at),
      onEnd: () => over(false),
    });
  });
}
