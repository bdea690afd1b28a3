/** Runs the contenders of a suite in turn, A B C A B C, and reads what each request cost the processes that served it. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Contender, Figure, Running, Suite } from './contender.ts';
import { type Cores, type Cpu, cpuBetween, pin, readCpu } from './cpu.ts';
import type { Load } from './loads.ts';
import type { Stage } from './stage.ts';

export interface Settings {
  readonly rounds: number;
  /** Those that the suite names get rounds of their own. */
  readonly loads: readonly Load[];
  /** Goes before the first round and is not counted: JavaScript is compiled while it runs. */
  readonly warmUp: Load;
  readonly cores: Cores;
}

/** One contender under load once. CPU times are microseconds for each right answer. */
export interface Sample extends Readonly<Record<Figure, number>> {
  /** The share of the subject's CPU time that it spent in its own code, and in the kernel. */
  readonly user: number;
  readonly system: number;
  readonly answers: number;
  /** Bytes across the network card of the subject's host, both ways, for each answer; only where that is measured. */
  readonly wireBytes?: number;
  /** Connections without a right answer, by kind. */
  readonly failed: Readonly<Record<string, number>>;
  /** From connect to the end of the last answer, the longest. */
  readonly slowestMs: number;
  /** Share of the time that the subject ran, 0 to 1. */
  readonly subjectBusy: number;
  /** The same of the load generator: near 1 it gives all that it has, and the subject could take more. */
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
const SETTLE_MS = 100;

/** `onRound` is told after each round. */
export async function measureSuite(
  suite: Suite,
  stage: Stage,
  settings: Settings,
  onRound: (round: number, result: Result) => void,
): Promise<readonly Result[]> {
  const { head, rest } = settings.cores;
  // What is started from here inherits these cores; where the subject is apart it is moved to its own.
  await pin(process.pid, suite.apart === 'subject' ? rest : `${head},${rest}`);
  const everyone: Running[] = [];
  for (const contender of suite.contenders) {
    const running = await contender.start(stage);
    everyone.push(running);
    if (suite.apart === 'subject') await pin(running.subject, head);
  }
  for (const running of everyone) await settings.warmUp.run(stage, { ...running, status: suite.status });

  const results: Result[] = [];
  for (const load of settings.loads.filter(({ name }) => suite.loads.includes(name))) {
    const entries = suite.contenders.map((contender) => ({ contender, samples: [] as Sample[] }));
    const result = { load, entries };
    for (let round = 1; round <= settings.rounds; round++) {
      for (const [at, { samples }] of entries.entries())
        samples.push(await sample(stage, suite, everyone[at]!, load));
      onRound(round, result);
    }
    results.push(result);
  }
  return results;
}

async function sample(stage: Stage, suite: Suite, running: Running, load: Load): Promise<Sample> {
  const pids = [running.subject, ...running.others];
  const before = await Promise.all(pids.map(readCpu));
  const wireBefore = await running.wireBytes?.();
  const report = await load.run(stage, { ...running, status: suite.status });
  await sleep(SETTLE_MS);
  const after = await Promise.all(pids.map(readCpu));
  const wireAfter = await running.wireBytes?.();
  const cpus = after.map((reading, at) => cpuBetween(before[at]!, reading));
  const subject = cpus[0]!;
  // Connections that failed cost something as well; a comparison with failures is not valid anyway.
  const answers = Math.max(report.answers, 1);
  const all = cpus.reduce((sum: number, cpu: Cpu) => sum + cpu.totalMicros, 0);
  const micros = report.seconds * 1e6;
  return {
    subjectCpu: subject.totalMicros / answers,
    allCpu: all / answers,
    rate: report.answers / report.seconds,
    user: subject.userMicros / answers,
    system: subject.systemMicros / answers,
    answers: report.answers,
    ...(wireBefore !== undefined &&
      wireAfter !== undefined && { wireBytes: (wireAfter - wireBefore) / answers }),
    failed: report.failed,
    slowestMs: report.slowestMs,
    subjectBusy: subject.totalMicros / micros,
    loadBusy: (report.userMicros + report.systemMicros) / micros,
  };
}
