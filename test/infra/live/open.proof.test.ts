/**
 * What an open page costs those whom it shows, and its browser. With BATON_LIVE=full for as long as somebody would look (40 minutes),
 * else for some seconds.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { CDPSession } from 'playwright-core';
import { labKinds } from '../../../infra/lab/kinds/index.ts';
import { visitFrom } from '../../../infra/lab/visit-from.ts';
import { runningHead } from '../../../infra/live/head-stage.ts';
import { startLive } from '../../../infra/live/live.ts';
import { median } from '../../../infra/statistics/median.ts';
import { processTime } from '../../../shared/sys/process-time.ts';
import { browse, open, screens, visit } from '../../support/live-page.ts';
import { needing } from '../../support/needs.ts';

const isFull = process.env.BATON_LIVE === 'full';
const RATE = 500;
const TURNS = isFull ? 25 : 2;
const TURN_MS = isFull ? 10_000 : 3000;
/** Of a core; and of the median visit, which on a busy machine says little in a few turns. */
const CPU_SHARE = 0.01;
const P50_SHARE = isFull ? 0.02 : 0.5;
/** A quarter of an hour is what a page keeps: from then on it lets go of as much as it gets. */
const LOOKS = isFull ? 32 : 4;
const LOOK_MS = isFull ? 60_000 : 4000;
const FULL_AFTER = isFull ? 16 : 2;
const GROWTH = isFull ? 1.05 : 1.3;
/** A tick of the kernel's, seconds (proc(5)). */
const TICK_S = 0.01;

needing('chromium', test.serial)(
  'an open page costs the head and its deliveries next to nothing, and their visits nothing',
  async (t) => {
    t.timeout(TURNS * (2 * TURN_MS + 10_000) + 60_000);
    const out = await mkdtemp(join(tmpdir(), 'baton-test-live-'));
    t.teardown(() => rm(out, { recursive: true }));
    const lab = await labKinds
      .find(({ name }) => name === 'loopback')!
      .start({
        mode: 'handoff',
        deliveries: 0,
        local: 2,
      });
    t.teardown(() => lab.stop());
    const pids = [lab.head.pid, ...lab.deliveries.map(({ pid }) => pid)];
    const ticks = () => pids.reduce((sum, pid) => sum + processTime(pid)!.ticks, 0);
    const browser = await browse(t);
    const url = `http://${lab.head.listen}/bytes/100`;

    async function turn() {
      const before = ticks();
      const began = performance.now();
      const { latency, failed } = (await visitFrom(lab.client, {
        urls: [url],
        rate: RATE,
        durationMs: TURN_MS,
        warmUpMs: 500,
      }))!;
      t.is(failed, 0);
      const seconds = (performance.now() - began) / 1000;
      return { p50: latency!.p50, cores: ((ticks() - before) * TICK_S) / seconds };
    }
    await turn();
    const ratios: number[] = [];
    const costs: number[] = [];
    for (let n = 0; n < TURNS; n++) {
      const closed = await turn();
      const live = await startLive(runningHead(lab.head.admin, undefined), { rate: RATE, out });
      const { page } = await visit(browser, { live }, screens[n % screens.length]!);
      const opened = await turn();
      await page.close();
      await live.close();
      ratios.push(opened.p50 / closed.p50);
      costs.push(opened.cores - closed.cores);
    }
    const [ratio, cost] = [median(ratios)!, median(costs)!];
    t.log(`p50 open / closed ${ratio.toFixed(3)} (${ratios.map((one) => one.toFixed(2)).join(' ')})`);
    t.log(`cores more ${cost.toFixed(4)} (${costs.map((one) => one.toFixed(3)).join(' ')})`);
    t.true(cost < (isFull ? CPU_SHARE : 5 * CPU_SHARE), `${cost}`);
    t.true(Math.abs(ratio - 1) < P50_SHARE || ratio < 1, `${ratio}`);
  },
);

needing('chromium', test.serial)('the memory of an open page is level', async (t) => {
  t.timeout(LOOKS * LOOK_MS + 60_000);
  const opened = await open(t, 'loopback', RATE);
  const browser = await browse(t);
  const { page, said } = await visit(browser, opened, screens[0]!);
  const devtools = await page.context().newCDPSession(page);
  const seen: { heap: number; nodes: number }[] = [];
  for (let look = 0; look < LOOKS; look++) {
    // Nothing is awaited but time itself: what grows, grows with it.
    await page.waitForTimeout(LOOK_MS);
    seen.push(await memoryOf(devtools));
  }
  t.log(seen.map(({ heap, nodes }) => `${(heap / 1e6).toFixed(2)} MB, ${nodes} nodes`).join('; '));
  const [full, last] = [seen[FULL_AFTER]!, seen.at(-1)!];
  t.true(last.heap < GROWTH * full.heap, `${full.heap} to ${last.heap} bytes`);
  t.true(last.nodes < GROWTH * full.nodes, `${full.nodes} to ${last.nodes} nodes`);
  t.deepEqual(said, []);
});

/** Of what is still in use. */
async function memoryOf(devtools: CDPSession): Promise<{ heap: number; nodes: number }> {
  await devtools.send('HeapProfiler.collectGarbage');
  const { usedSize } = await devtools.send('Runtime.getHeapUsage');
  const { nodes } = await devtools.send('Memory.getDOMCounters');
  return { heap: usedSize, nodes };
}
