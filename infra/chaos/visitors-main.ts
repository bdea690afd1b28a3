/**
 * A client under chaos, where the lab's clients are: asks at a rate, each request with an id of its own, and writes down in
 * CHAOS_FOLDER what it asked and what became of it. Nothing is ever asked twice. Runs until it is told to end (SIGTERM),
 * and then to the end of what it has begun.
 *
 *     node infra/chaos/visitors-main.ts NAME HOST:PORT RATE SEED TIMEOUT-MS
 */
import { openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { seededRandom } from '../statistics/random.ts';
import { type Got, Line } from './line.ts';
import { type Choice, createChoice, livesOf, type Plan } from './plans.ts';
import { type Asked, type Ended, now } from './records.ts';
import { Talk } from './talk.ts';

/** After which one that has ended is followed by the next, milliseconds at most. */
const AGAIN_MS = 1000;
const [name, to, rateText, seedText, timeoutText] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
];
const timeoutMs = Number(timeoutText);
const folder = process.env.CHAOS_FOLDER!;
const files = { asked: open('asked'), ended: open('ended') };
const random = seededRandom(Number(seedText));
const choose = createChoice(random);
let requests = 0;
let going = 0;
let stopping = false;

function open(ending: string): number {
  return openSync(join(folder, `${name}.${process.pid}.${ending}`), 'a', 0o600);
}
const write = (file: number, line: Asked | Ended) => writeSync(file, `${JSON.stringify(line)}\n`);

/** One after the other on one connection; when that has ended between two requests, on the next one. */
async function visit({ turns, pauseMs, make, upgraded }: Choice): Promise<void> {
  const connect = (address: string) => (upgraded ? new Talk(address) : new Line(address));
  let line: Line | Talk | undefined;
  let isFirst = true;
  for (let turn = 0; turn < turns && !(stopping && turn > 0); turn++) {
    if (line === undefined || !line.isUsable) {
      line?.close();
      line = connect(to);
      isFirst = true;
    }
    const id = `${name}-${process.pid}-${++requests}`;
    const goesOn = await ask(line, make(id, isFirst), connect, upgraded === 'stays');
    if (goesOn === undefined) return;
    line = goesOn;
    isFirst = false;
    if (turn < turns - 1 && pauseMs > 0) await delay(random() * pauseMs);
  }
  line?.close();
}

/** Undefined when it failed; else the connection that answered. */
async function ask(
  line: Line | Talk,
  plan: Plan,
  connect: (address: string) => Line | Talk,
  stays: boolean,
): Promise<Line | Talk | undefined> {
  const { id, kind } = plan;
  const from = now();
  const { number, turn, connected } = line.next();
  write(files.asked, {
    id,
    kind,
    connection: `${name}-${process.pid}-${number}`,
    turn,
    ...(stays && { stays }),
    connected,
    from,
  });
  const hops: number[] = [];
  let current = line;
  const deadline = from + timeoutMs;
  for (;;) {
    const got = await current.ask(plan, deadline);
    if (got.redirect !== undefined) {
      hops.push(got.status);
      current.close();
      if (hops.length <= 5) {
        current = connect(got.redirect);
        current.next();
        continue;
      }
    }
    const result = got.failure ?? judge(plan, got);
    const by = result === 'ok' ? got.by : undefined;
    write(files.ended, {
      id,
      to: now(),
      result,
      begun: got.begun,
      hops,
      ...(by === undefined ? {} : { by }),
    });
    if (result === 'ok') return current;
    current.close();
    return undefined;
  }
}

function judge(plan: Plan, got: Got): string {
  if (got.status !== 200) return `status_${got.status}`;
  if (got.id !== plan.id) return 'answer_of_another';
  if (got.heard !== plan.heard) return 'heard_otherwise';
  return got.bytes === plan.bytes ? 'ok' : 'wrong_length';
}

process.on('SIGTERM', () => {
  stopping = true;
});
function begin(doing: Promise<void>): void {
  going++;
  void doing.finally(() => going--);
}

/** As long as its connection lives, and then by another one. */
async function live(choice: Choice): Promise<void> {
  while (!stopping) {
    await visit(choice);
    await delay(random() * AGAIN_MS);
  }
}

for (const choice of livesOf(random)) begin(live(choice));
process.stdout.write(`${JSON.stringify({ ready: 'visitors', name })}\n`);
const began = performance.now();
for (let due = 0; !stopping; due += (-Math.log(1 - random()) * 1000) / Number(rateText)) {
  const wait = began + due - performance.now();
  if (wait > 0) await delay(wait);
  begin(visit(choose()));
}
while (going > 0) await delay(20);
process.exit(0);
