/** A live page, of a lab of its own, in a real browser. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import axe from 'axe-core';
import { type Browser, chromium, type Page } from 'playwright-core';
import { labKinds } from '../../infra/lab/kinds/index.ts';
import { startLabStage } from '../../infra/live/lab-stage.ts';
import { type Live, startLive } from '../../infra/live/live.ts';
import type { Stage } from '../../infra/live/stage.ts';
import { until } from './until.ts';

export interface Opened {
  readonly stage: Stage;
  readonly live: Live;
  readonly out: string;
}

export async function open(t: ExecutionContext, on: string, rate = 60): Promise<Opened> {
  const out = await mkdtemp(join(tmpdir(), 'baton-test-live-'));
  const kind = labKinds.find(({ name }) => name === on)!;
  const stage = await startLabStage({ on: kind, deliveries: 2, local: 1, rate, plainCables: false });
  t.teardown(async () => {
    await stage.stop();
    await rm(out, { recursive: true });
  });
  const live = await startLive(stage, { rate, out });
  t.teardown(() => live.close());
  return { stage, live, out };
}

export async function browse(t: ExecutionContext): Promise<Browser> {
  const browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-component-update', '--disable-sync'],
  });
  t.teardown(() => browser.close());
  return browser;
}

export interface Screen {
  readonly width: number;
  readonly colorScheme: 'light' | 'dark';
}

export const screens: readonly Screen[] = [
  { width: 1440, colorScheme: 'light' },
  { width: 390, colorScheme: 'dark' },
  { width: 1440, colorScheme: 'dark' },
  { width: 390, colorScheme: 'light' },
];

export async function visit(
  browser: Browser,
  { live }: Pick<Opened, 'live'>,
  screen: Screen,
): Promise<{ page: Page; said: string[] }> {
  const page = await browser.newPage({
    viewport: { width: screen.width, height: 900 },
    colorScheme: screen.colorScheme,
    isMobile: screen.width < 500,
    hasTouch: screen.width < 500,
  });
  const said: string[] = [];
  page.on('console', (message) => said.push(`console: ${message.text()}`));
  page.on('pageerror', (error) => said.push(`error: ${error.message}`));
  page.on('request', (request) => {
    if (!request.url().startsWith(live.address) && !request.url().startsWith('data:'))
      said.push(request.url());
  });
  await page.goto(live.address);
  await page.waitForSelector('#state[data-state=live]');
  await page.waitForSelector('#latency canvas');
  return { page, said };
}

/**
 * Waits until the page shows it; its expressions are the browser's. Not `waitForFunction`, which makes a function of words: the
 * page's policy forbids that.
 */
export const shows = (page: Page, expression: string) =>
  until(
    expression,
    () => page.evaluate<boolean>(expression),
    (is) => is,
  );
export const happened = (page: Page, text: string) =>
  shows(page, `document.getElementById('events').textContent.includes(${JSON.stringify(text)})`);

export async function serious(page: Page): Promise<string[]> {
  // The page's policy lets no script in; the checker is let in by the browser's own hand.
  await page.evaluate(axe.source);
  const found = await page.evaluate<{ id: string; impact: string; nodes: { html: string }[] }[]>(
    'axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) => violations)',
  );
  return found
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(' | ')}`);
}

/** Expressions for the page: this way is chosen, and has a line of its own. */
export const chosen = (way: string) => `document.querySelector('#ways input:checked')?.value === '${way}'`;
export const hasLine = (way: string) =>
  `document.querySelector('#now tr[data-way="${way}"]:not(.past)') !== null`;
