/** The pages in a real browser: nothing fails, nothing is fetched, everything is drawn and fits. */

import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ExecutionContext } from 'ava';
import axe from 'axe-core';
import { type Browser, chromium, type Page } from 'playwright-core';
import { firstVisit } from '../../../infra/experiments/first-visit.ts';
import { runExperiment } from '../../../infra/experiments/kit/run.ts';
import { loopback } from '../../../infra/lab/kinds/loopback.ts';
import { compareReports } from '../../../infra/report/compare.ts';
import { renderComparePage } from '../../../infra/report/compare-page.ts';
import type { Report } from '../../../infra/report/schema.ts';
import { writeIndex, writeReport } from '../../../infra/report/write.ts';
import { createProgress } from '../../../infra/terminal/progress.ts';
import { needing } from '../../support/needs.ts';

const browserTest = needing('chromium');

async function openBrowser(t: ExecutionContext): Promise<Browser> {
  const browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-component-update', '--disable-sync'],
  });
  t.teardown(() => browser.close());
  return browser;
}

/** Everything that a page complained about or asked the network for. */
function watch(page: Page): string[] {
  const said: string[] = [];
  page.on('console', (message) => {
    // Of this test's own reading of what is drawn.
    if (!message.text().includes('willReadFrequently')) said.push(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => said.push(`error: ${error.message}`));
  page.on('request', (request) => {
    if (!/^(file|data):/.test(request.url())) said.push(`request: ${request.url()}`);
  });
  return said;
}

/** A real report, spread over an axis, with plots that have events, so that all parts of a page are there. */
let made: Promise<Report> | undefined;
const aReport = () => {
  made ??= makeReport();
  return made;
};

async function makeReport(): Promise<Report> {
  const report = await runExperiment(firstVisit, {
    on: loopback,
    quick: true,
    signal: new AbortController().signal,
    progress: createProgress({ write: () => {} }),
  });
  const away = report.cases.map((each) => ({ ...each, name: `${each.name} away`, x: 50 }));
  const [chart] = report.charts;
  const log = { ...chart!, x: { title: 'size', unit: 'B', log: true }, y: { ...chart!.y, log: true } };
  const wide = [1000, 10_000, 100_000, 1e6].map((x) => ({ x, y: x / 900, low: x / 1000, high: x / 800 }));
  return {
    ...report,
    cases: [...report.cases, ...away],
    charts: [
      chart!,
      {
        ...log,
        lines: [{ name: 'direct', way: 'direct', kind: 'measured', points: wide }],
        events: [{ x: 50_000, label: 'an event' }],
      },
    ],
  };
}

/** Asked in the page, as text: its types are not those of this program. */
const ask = <T>(page: Page, expression: string): Promise<T> => page.evaluate<T>(expression);

/** Canvases that have more than a few colours on them. */
const drawnCanvases = (page: Page) =>
  ask<number>(
    page,
    `[...document.querySelectorAll('canvas')].filter((canvas) => {
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      return new Set(new Uint32Array(data.buffer)).size > 3;
    }).length`,
  );

/** What a screen reader or a keyboard would stumble over. */
async function serious(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const found = await page.evaluate<{ id: string; impact: string; nodes: { html: string }[] }[]>(
    'axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) => violations)',
  );
  return found
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(' | ')}`);
}

const fits = (page: Page) => ask<boolean>(page, 'document.documentElement.scrollWidth <= innerWidth');

const screens = [
  { width: 1280, colorScheme: 'light', phone: false },
  { width: 1280, colorScheme: 'dark', phone: false },
  { width: 390, colorScheme: 'light', phone: true },
  { width: 390, colorScheme: 'dark', phone: true },
] as const;

browserTest(
  'a report is drawn without an error or a request, light and dark, on a desk and a phone',
  async (t) => {
    const directory = await mkdtemp(join(tmpdir(), 'baton-test-'));
    t.teardown(() => rm(directory, { recursive: true }));
    const report = await aReport();
    const { html } = await writeReport(report, directory);
    t.true((await stat(html)).size < 2e6);
    const source = await readFile(html, 'utf8');
    t.regex(source, /<h2>Over the time of the run/);
    t.regex(source, /<h2>Every visit over time/);
    // Those of the report, two distributions, and over time one of the rounds and one of each way.
    const plots = report.charts.length + 3 + source.match(/<canvas id="heat-/g)!.length;
    const browser = await openBrowser(t);
    for (const { width, colorScheme, phone } of screens) {
      const name = `${width} ${colorScheme}`;
      const page = await browser.newPage({
        viewport: { width, height: 800 },
        colorScheme,
        isMobile: phone,
        hasTouch: phone,
      });
      const said = watch(page);
      await page.goto(pathToFileURL(html).href);
      await page.waitForSelector('#distribution canvas');
      t.is(await drawnCanvases(page), plots, name);
      t.true(await fits(page), name);
      const paper = await ask<string>(page, 'getComputedStyle(document.body).backgroundColor');
      const dark = Number(/\d+/.exec(paper)![0]) < 128;
      t.is(dark, colorScheme === 'dark', paper);

      const visible = () =>
        ask<boolean[]>(page, "[...document.querySelectorAll('.group')].map((each) => !each.hidden)");
      t.deepEqual(await visible(), [false, true]);
      await page.click('button[data-group="0"]');
      t.deepEqual(await visible(), [true, false]);
      t.is(await drawnCanvases(page), plots, name);
      t.deepEqual(await serious(page), [], name);
      t.deepEqual(said, [], name);
      await page.close();
    }
  },
);

browserTest('the page of all answers leads to each report, and a comparison is drawn', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'baton-test-'));
  t.teardown(() => rm(directory, { recursive: true }));
  const report = await aReport();
  const files = await writeReport(report, directory);
  const index = await writeIndex([{ report, files }], directory);
  const browser = await openBrowser(t);
  const page = await browser.newPage({ viewport: { width: 390, height: 800 } });
  const said = watch(page);
  await page.goto(pathToFileURL(index).href);
  t.true((await page.textContent('.found'))?.includes('first visits'));
  await page.click('h2 a');
  await page.waitForSelector('canvas');
  t.is(page.url(), pathToFileURL(files.html).href);

  const compared = join(directory, 'compared.html');
  await writeFile(
    compared,
    await renderComparePage(
      compareReports([
        { file: 'a.json', report },
        { file: 'b.json', report },
      ]),
    ),
  );
  await page.goto(pathToFileURL(compared).href);
  await page.waitForSelector('canvas');
  t.true((await drawnCanvases(page)) >= 1);
  t.true(await fits(page));
  t.deepEqual(await serious(page), []);
  t.deepEqual(said, []);
  t.true((await readFile(compared)).length < 2e6);
});
