/** Connections that stay while whoever accepted them is replaced, as a process of its own: its argument is JSON (`Orders`), and so is what it prints. */
import { setTimeout as delay } from 'node:timers/promises';
import { parseHostPort } from '../../../shared/units.ts';
import { ordersSchema } from './result.ts';
import { halfHead, keepAlive, lingering, type Stage, Tally, webSocket } from './stays.ts';

const orders = ordersSchema.parse(JSON.parse(process.argv[2]!));
const targets = orders.hosts.map((host) => parseHostPort(host)!);
const start = performance.now() + orders.startAt - Date.now();
const stage: Stage = { orders, targets, end: start + orders.durationMs };
const targetOf = (index: number) => targets[index % targets.length]!;

/** Not all in one moment: a crowd is another question. */
const openMs = Math.max(0, start - performance.now()) / 2;
const stays = async (many: number, stay: typeof keepAlive, tally: Tally): Promise<void> => {
  await Promise.all(
    Array.from({ length: many }, async (_, index) => {
      await delay((index * openMs) / many);
      await stay(stage, targetOf(index), tally);
    }),
  );
};

const comes = async (everyMs: number, come: typeof keepAlive, tally: Tally): Promise<void> => {
  await delay(start - performance.now());
  const all: Promise<void>[] = [];
  for (let n = 0; everyMs > 0 && performance.now() < stage.end; n++) {
    all.push(come(stage, targetOf(n), tally));
    await delay(start + (n + 1) * everyMs - performance.now());
  }
  await Promise.all(all);
};

const { keepAlive: kept, webSockets, halfEveryMs, lingerEveryMs, durationMs } = orders;
const comers = (everyMs: number): number => (everyMs > 0 ? Math.ceil(durationMs / everyMs) : 0);
const tallies = [
  new Tally('keep-alive', kept),
  new Tally('WebSocket', webSockets),
  new Tally('half a head', comers(halfEveryMs)),
  new Tally('lingering', comers(lingerEveryMs)),
] as const;
await Promise.all([
  stays(kept, keepAlive, tallies[0]),
  stays(webSockets, webSocket, tallies[1]),
  comes(halfEveryMs, halfHead, tallies[2]),
  comes(lingerEveryMs, lingering, tallies[3]),
]);
process.stdout.write(`${JSON.stringify(tallies.map(({ counts }) => counts))}\n`);
process.exit(0);
