/**
 * `node infra/scale/simulate.ts`: heads beside each other, among which routers spread packets by a hash of their ends (ECMP), when
 * one comes or goes. How many of the connections that a head itself has then are met by another, and who of the others
 * would have to be asked? What has moved to a delivery every head knows (docs/failover.md). Tables for docs/scale.md.
 */
import { hashBytes } from '../../shared/fnv.ts';

/** How routers choose: `modulo`: hash modulo the number of heads; `resilient`: as rendezvous hashing, only what must be is rehashed. */
export type Spread = 'modulo' | 'resilient';
export type Change = 'comes' | 'goes';

const key = Buffer.alloc(16);

function hash(...numbers: readonly number[]): number {
  for (const [index, number] of numbers.entries()) key.writeUInt32LE(number >>> 0, index * 4);
  // FNV's low bits are weak, and so are neighbours' high ones: mixed as murmur3's end does it.
  let mixed = hashBytes(key, 0, numbers.length * 4);
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/** Heads in the order in which a connection would be theirs. */
export const orderOf = (connection: number, heads: readonly number[]): number[] =>
  heads.toSorted((a, b) => hash(connection, b) - hash(connection, a) || a - b);

/** The router's own choice, which heads do not know (`seed`). */
export const routed = (connection: number, heads: readonly number[], spread: Spread, seed: number): number =>
  spread === 'modulo' ? heads[hash(connection, seed) % heads.length]! : orderOf(connection, heads)[0]!;

export interface Outcome {
  /** Shares of all connections: met by another head than before, of those that their head still has. */
  readonly met: number;
  /** Of these: the head that has it is the first of the others in rendezvous order, or the first one before the change. */
  readonly firstAsked: number;
  /** Heads that are asked until the one that has it is found, on average, one after the other. */
  readonly asked: number;
  /** Their head has gone with them. */
  readonly gone: number;
}

/** One of `count` heads comes to the others, or goes from them, under so many connections. */
export function simulate(
  count: number,
  spread: Spread,
  change: Change,
  connections: number,
  seed = 1,
): Outcome {
  const all = Array.from({ length: count }, (_, index) => index + 1);
  const fewer = all.slice(0, -1);
  const [before, after] = change === 'goes' ? [all, fewer] : [fewer, all];
  let [met, firstAsked, asked, gone] = [0, 0, 0, 0];
  for (let connection = 0; connection < connections; connection++) {
    const had = routed(connection, before, spread, seed);
    const has = routed(connection, after, spread, seed);
    if (!after.includes(had)) gone++;
    else if (had !== has) {
      met++;
      const others = orderOf(connection, after).filter((head) => head !== has);
      const place = others.indexOf(had);
      asked += place + 1;
      if (place === 0) firstAsked++;
    }
  }
  return {
    met: met / connections,
    firstAsked: met === 0 ? 1 : firstAsked / met,
    asked: met === 0 ? 0 : asked / met,
    gone: gone / connections,
  };
}

const CONNECTIONS = 100_000;
/** New connections a second at each head, and how long one is the head's own: a round trip for its handshake, and its inspection. */
const RATE = 5000;
const OWN_S = 0.055;

if (import.meta.main) {
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  const lines = [
    '| heads | routers | a head | met by another | of these the first asked has it | asked on average | connections met, at 5,000/s a head |',
    '| --- | --- | --- | --- | --- | --- | --- |',
  ];
  for (const count of [2, 4, 8, 16])
    for (const spread of ['modulo', 'resilient'] as const)
      for (const change of ['comes', 'goes'] as const) {
        const { met, firstAsked, asked } = simulate(count, spread, change, CONNECTIONS);
        const heads = change === 'goes' ? count : count - 1;
        const many = Math.round(met * RATE * OWN_S * heads);
        lines.push(
          `| ${count} | ${spread} | ${change} | ${percent(met)} | ${met === 0 ? '-' : percent(firstAsked)} | ${met === 0 ? '-' : asked.toFixed(2)} | ${many} |`,
        );
      }
  process.stdout.write(`${lines.join('\n')}\n`);
}
