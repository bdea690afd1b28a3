/**
 * `npm run upgrades -- [--upgrades N] [--every 3s] [--rate R] [--keep-alive N] [--web-sockets N] [--workers 1,4,2] [--on netns]`: a
 * head that is replaced again and again under visits, with connections that stay, half-sent request heads and lingering answers
 * under way; by fd, and with --on netns by migration. Exits 1 when anything was refused, reset or failed, or a bar is missed.
 */
import { loadavg } from 'node:os';
import { Command } from 'commander';
import { BatonError } from '../../shared/errors.ts';
import { duration, number, whole } from '../cli/arguments.ts';
import { runTool } from '../cli/tool.ts';
import { batonArms } from '../experiments/upgrade/arms.ts';
import { observe, p99s, type Seen, type Size } from '../experiments/upgrade/observe.ts';
import { staysTable, visitsTable } from '../experiments/upgrade.ts';
import { labKinds } from '../lab/kinds/index.ts';
import { median } from '../statistics/median.ts';
import { formatTable } from '../terminal/table.ts';

interface Options extends Omit<Size, 'everyMs' | 'calmMs' | 'afterMs' | 'talkMs'> {
  readonly every: number;
  readonly calm: number;
  readonly talk: number;
  readonly workers: readonly number[];
  readonly on: string;
}

/** Milliseconds: p99 while upgrading above p99 without, and the predecessor's end after *confirmed*. */
const P99_ABOVE_MS = 20;
const GONE_WITHIN_MS = 200;

const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort());

async function main({ on: name, every, calm, talk, workers, ...rest }: Options): Promise<void> {
  const on = labKinds.find((kind) => kind.name === name);
  if (!on || on.name === 'vagrant')
    throw new BatonError('BAD_OPTION', { option: '--on', problem: 'give loopback or netns', value: name });
  const size: Size = { ...rest, everyMs: every, calmMs: calm, afterMs: 2000, talkMs: talk };
  const lab = await on.start({
    mode: 'handoff',
    deliveries: on.hasHosts ? 2 : 0,
    local: 2,
    headArguments: ['--workers', String(workers[0])],
  });
  const seen: Seen[] = [];
  try {
    for (const arm of batonArms(lab, workers)) {
      if (interrupted.signal.aborted) break;
      console.log(`${arm.name}: ${size.upgrades} upgrades, one each ${every / 1000} s, load ${load()}`);
      const tell = (count: number) => count % 10 === 0 && console.log(`  ${count} upgrades, load ${load()}`);
      const found = await observe(lab, arm, size, interrupted.signal, tell);
      if (found) seen.push(found);
    }
  } finally {
    await lab.stop();
  }
  for (const table of [visitsTable(seen), staysTable(seen), timesTable(seen)])
    console.log(`${formatTable(table.columns, table.rows)}\n`);
  for (const { arm, visits } of seen)
    for (const text of visits.generator.warnings) console.log(`note: ${arm.name}: ${text}`);
  const missed = seen.flatMap(verdict);
  for (const line of missed) console.log(`missed: ${line}`);
  if (missed.length > 0 || seen.length === 0) process.exitCode = 1;
}

const load = (): string => loadavg()[0]!.toFixed(1);

/** Where the time goes: the time in which nobody was accepted is the first two together. */
function timesTable(seen: readonly Seen[]) {
  const kinds = [
    ['frozen until confirmed', 'stoodMs'],
    ['confirmed until visitors are accepted', 'waitedMs'],
    ['confirmed until the predecessor is gone', 'goneMs'],
    ['the whole upgrade', 'tookMs'],
  ] as const;
  return {
    columns: ['way', 'milliseconds', 'least', 'median', 'p90', 'longest'],
    rows: seen.flatMap(({ arm, replacements }) =>
      kinds.flatMap(([what, key]) => {
        const all = replacements.flatMap((one) => one[key] ?? []).sort((a, b) => a - b);
        if (all.length === 0) return [];
        const figures = [all[0]!, median(all), all[Math.ceil(all.length * 0.9) - 1]!, all.at(-1)!];
        return [[arm.name, what, ...figures.map((ms) => ms.toFixed(0))]];
      }),
    ),
  };
}

function verdict(seen: Seen): string[] {
  const { arm, visits, stays, replacements, processes } = seen;
  const { calm, upgrading } = p99s(seen);
  const late = replacements.filter(({ goneMs = 0 }) => goneMs > GONE_WITHIN_MS).length;
  const unknown = replacements.filter(({ goneMs }) => goneMs === undefined).length;
  const idle = stays.filter(({ asked, connections }) => asked === 0 && connections > 0);
  return [
    ...(visits.failed > 0 ? [`${visits.failed} of ${visits.visits} visits failed`] : []),
    ...stays
      .filter(({ failed, ended }) => failed > 0 || Object.keys(ended).length > 0)
      .map(({ kind, failed, ended }) => `${kind}: ${failed} unanswered, ended ${JSON.stringify(ended)}`),
    ...(upgrading - calm > P99_ABOVE_MS
      ? [`p99 ${upgrading.toFixed(1)} ms while upgrading, ${calm.toFixed(1)} ms without`]
      : []),
    ...idle.map(({ kind }) => `${kind}: nothing was asked`),
    ...(unknown > 0 ? [`of ${unknown} predecessors it is not known when they were gone`] : []),
    ...(late > 0
      ? [`${late} of ${replacements.length} predecessors were gone later than ${GONE_WITHIN_MS} ms`]
      : []),
    ...(processes === 1 ? [] : [`${processes} heads at the end`]),
  ].map((problem) => `${arm.name}: ${problem}`);
}

const listOf = (text: string): number[] => text.split(',').map(whole('--workers', 1, 64));

const command = new Command('upgrades')
  .option('--upgrades <N>', 'how many', whole('--upgrades', 1, 100_000), 100)
  .option('--every <DURATION>', 'from one to the next', duration('--every', 100, 3_600_000, 's'), 3000)
  .option('--calm <DURATION>', 'before the first', duration('--calm', 1000, 3_600_000, 's'), 15_000)
  .option('--rate <N>', 'visits a second', number('--rate', 1, 100_000), 2000)
  .option('--keep-alive <N>', 'such connections', whole('--keep-alive', 0, 100_000), 500)
  .option('--web-sockets <N>', 'such connections', whole('--web-sockets', 0, 100_000), 200)
  .option('--talk <DURATION>', 'a word on each of them every', duration('--talk', 10, 3_600_000, 's'), 1000)
  .option('--workers <N,...>', 'of the heads, in turns', listOf, [1, 4, 2])
  .option('--on <LAB>', 'loopback or netns', 'loopback')
  .action(main);
await runTool(command);
