/** A live page of a stage: looks at it each second, tells its pages and its recorder, does what they ask for. */
import { setTimeout as delay } from 'node:timers/promises';
import { policyNames } from '../../head/choose/index.ts';
import { getStatus } from '../admin-client.ts';
import { needReports, writeReport } from '../report/write.ts';
import { Beat } from './beat.ts';
import { Deeds } from './deeds.ts';
import { Director, type EventKind } from './director.ts';
import { conditionsOf, Recorder } from './recorder.ts';
import { makeReport } from './report.ts';
import { type Sample, Sampler } from './sampler.ts';
import { LiveServer } from './server.ts';
import type { Stage } from './stage.ts';
import { Streams } from './streams.ts';
import { CpuMeter, type LiveEvent, makeTick } from './tick.ts';
import { Visitors } from './visitors/visitors.ts';
import { liveWays } from './ways.ts';

const EVERY_MS = 1000;
/** After a switch there is a second that ends so soon: somebody waits for it. */
const SOON_MS = 400;
/** What does not answer so soon is told as not answering: the next second is not late for it. */
const ANSWER_WITHIN_MS = 600;
/** After a report the page is shown until nobody has looked at it for so long. */
const LEAVE_AFTER_MS = 10_000;

export interface LiveOptions {
  readonly rate: number;
  /** Where the report goes. */
  readonly out: string;
}

interface WrittenLive {
  readonly html: string;
  readonly json: string;
}

export interface Live {
  /** What a browser is to open. */
  readonly address: string;
  /** Writes the report, unless it is written, and ends all that was started. Settles when it is gone. */
  finish(): Promise<WrittenLive | undefined>;
  /** Resolves when it was finished from the page and nobody looks any more. */
  readonly over: Promise<void>;
  /** Ends the rest. */
  close(): Promise<void>;
}

export async function startLive(stage: Stage, { rate, out }: LiveOptions): Promise<Live> {
  await needReports(out);
  const status = await getStatus(stage.admin);
  const ways = liveWays(
    status.deliveries.map(({ transport }) => transport),
    stage.converse !== undefined && status.deliveries.some(({ direct }) => direct !== null),
  );
  const recorder = new Recorder();
  const streams = new Streams();
  const beat = new Beat(EVERY_MS, SOON_MS);
  const events: LiveEvent[] = [];
  const tell = (kind: EventKind, text: string) => void events.push({ at: Date.now(), kind, text });
  let written: WrittenLive | undefined;
  let finishing: Promise<WrittenLive | undefined> | undefined;
  let ticking = true;
  let over!: () => void;
  const isOver = new Promise<void>((resolve) => {
    over = resolve;
  });
  const finish = () => {
    finishing ??= end();
    return finishing;
  };
  const director = new Director({
    ...{ stage, ways, status, rate, onEvent: tell, onSwitched: () => beat.hurry() },
    // Whoever asked for it hears first that it is done.
    onFinish: async () => {
      await finish();
      void leave();
    },
  });
  if (stage.converse)
    director.visits = new Visitors(
      stage.converse,
      (window) => recorder.visited(window, conditionsAt(window.from)),
      (how) => {
        director.visits = undefined;
        tell('problem', `the visitors have ended: ${how}`);
      },
    );
  /** The conditions of the last seconds: a window is told when its last visit is over. */
  const conditions: { at: number; text: string }[] = [];
  const conditionsAt = (at: number) => conditions.findLast((one) => one.at <= at)?.text ?? '';
  const sampler = new Sampler(stage.admin, stage.kernel);
  const deeds = new Deeds(director);
  const server = await LiveServer.open({
    streams,
    about: () => ({ on: stage.on, ways, policies: policyNames }),
    perform: (body) => deeds.perform(body),
    report: () => written?.html,
  });
  await director.goAgain();
  const loop = look();
  return {
    address: server.address,
    finish,
    over: isOver,
    async close() {
      await finish().catch(() => {});
      server.close();
      over();
    },
  };

  async function look(): Promise<void> {
    let before: Sample | undefined;
    const cpu = new CpuMeter();
    for (let n = 1; ticking; n++) {
      await beat.next();
      if (!ticking) return;
      const deedsBefore = director.deeds;
      const [sample, heard] = await Promise.all([
        sampler.sample(ANSWER_WITHIN_MS),
        director.visits?.ask(ANSWER_WITHIN_MS) ?? { inFlight: 0, ways: {}, busy: 0 },
      ]);
      tellOfHead(before, sample);
      await director.heed(sample.status, deedsBefore).catch((error: Error) => tell('problem', error.message));
      conditions.push({ at: sample.at, text: conditionsOf(director, rate, status.policy) });
      if (conditions.length > 30) conditions.shift();
      const tick = makeTick({ n, before, sample, heard, cpu, events: events.splice(0), director });
      recorder.sampled(sample);
      recorder.ticked(tick);
      streams.send(tick);
      before = sample;
    }
  }

  function tellOfHead(before: Sample | undefined, { status: now, silence }: Sample): void {
    if (!before) return;
    const was = before.status;
    if (was && !now) tell('head', `the head is gone: ${silence}`);
    else if (!was && now) tell('head', `the head is back, as process ${now.pid}`);
    else if (was && now && was.pid !== now.pid) tell('head', `process ${now.pid} has taken over`);
    for (const each of now?.deliveries ?? []) {
      const then = was?.deliveries.find(({ name }) => name === each.name);
      if (then && then.state !== each.state && (then.state === 'down' || each.state === 'down'))
        tell('noted', `${each.name} is ${each.state}`);
    }
  }

  async function end(): Promise<WrittenLive | undefined> {
    await director.end();
    ticking = false;
    beat.hurry(0);
    await loop;
    try {
      const report = await makeReport({
        ...{ stage, ways, recorder, rate, policy: status.policy, version: status.version },
        deliveries: status.deliveries.map(({ name, transport }) => `${name} (${transport})`),
      });
      written = await writeReport(report, out);
    } finally {
      streams.end('over', { html: written?.html ?? null, json: written?.json ?? null });
      director.whyNoReport = { reason: 'it has been written', mend: 'start again for another one' };
      await stage.stop();
    }
    return written;
  }

  async function leave(): Promise<void> {
    await delay(LEAVE_AFTER_MS);
    server.close();
    over();
  }
}
