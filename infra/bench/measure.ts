/** Runs the contenders of a suite in turn, A B C A B C, and reads what each connection cost its head. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Contender, Suite } from './contender.ts';
import { type Cores, cpuBetween, pin, readCpu } from './cpu.ts';
import type { Load, Target } from './loads.ts';
import type { Stage } from './stage.ts';

export interface Settings {
  readonly rounds: number;
  /** Each gets rounds of its own. */
  readonly loads: readonly Load[];
  /** Goes before the first round and is not counted: JavaScript is compiled while it runs. */
  readonly warmUp: Load;
  readonly cores: Cores;
}

/** One contender under load once. */
export interface Sample {
  /** CPU time of the head per connection, in microseconds. */
  readonly cpu: number;
  readonly user: number;
  readonly system: number;
  readonly connections: number;
  /** Connections without a right answer, by kind. */
  readonly failed: Readonly<Record<string, number>>;
  readonly connectionsPerSecond: number;
  /** From connect to the end of the answer, the longest. */
  readonly slowestMillis: number;
  /** Share of the time that the head ran, 0 to 1. */
  readonly headBusy: number;
  /** The same of the load generator: near 1 it gives all that it has, and the head could take more. */
  readonly loadBusy: number;
}

export interface Entry {
  readonly contender: Contender;
  readonly samples: Sample[];
}

/** What came of one kind of load; entries stand in the order of the suite's contenders. */
export interface Result {
  readonly load: Load;
  readonly entries: readonly Entry[];
}

/** After the last answer a head still closes its side of some connections; that is part of their cost. */
const settleMillis = 100;

/** `onRound` is told after each round. */
export async function measureSuite(
  suite: Suite,
  stage: Stage,
  settings: Settings,
  onRound: (round: number, result: Result) => void,
): Promise<readonly Result[]> {
  const targets: Target[] = [];
  for (const contender of suite.contenders) {
    const running = await contender.start(stage);
    await pin(running.headPid, settings.cores.head);
    targets.push({ ...running, status: suite.status });
  }
  for (const target of targets) await settings.warmUp.run(stage, target);

  const results: Result[] = [];
  for (const load of settings.loads) {
    const entries = suite.contenders.map((contender) => ({ contender, samples: [] as Sample[] }));
    const result = { load, entries };
    for (let round = 1; round <= settings.rounds; round++) {
      for (const [at, { samples }] of entries.entries())
        samples.push(await sample(stage, targets[at]!, load));
      onRound(round, result);
    }
    results.push(result);
  }
  return results;
}

async function sample(stage: Stage, target: Target, load: Load): Promise<Sample> {
  const before = await readCpu(target.headPid);
  const report = await load.run(stage, target);
  await sleep(settleMillis);
  const cpu = cpuBetween(before, await readCpu(target.headPid));
  // Connections that failed cost the head as well, so they count; a comparison with failures is not valid anyway.
  const connections = Object.values(report.failed).reduce((sum, count) => sum + count, report.ok);
  const micros = report.seconds * 1e6;
  return {
    cpu: cpu.totalMicros / connections,
    user: cpu.userMicros / connections,
    system: cpu.systemMicros / connections,
    connections,
    failed: report.failed,
    connectionsPerSecond: report.ok / report.seconds,
    slowestMillis: report.slowestMillis,
    headBusy: cpu.totalMicros / micros,
    loadBusy: (report.userMicros + report.systemMicros) / micros,
  };
}
