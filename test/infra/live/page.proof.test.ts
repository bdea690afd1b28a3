/** The live page in a real browser, on loopback and on hosts of its own: everything is clicked, and does what it says. */
import { readdir, readFile } from 'node:fs/promises';
import test, { type ExecutionContext } from 'ava';
import type { Page } from 'playwright-core';
import { reportSchema } from '../../../infra/report/schema.ts';
import {
  browse,
  chosen,
  happened,
  hasLine,
  type Opened,
  open,
  screens,
  serious,
  shows,
  visit,
} from '../../support/live-page.ts';
import { needing } from '../../support/needs.ts';
import { until } from '../../support/until.ts';

/** Everything that a lab of either kind can do. */
async function clickThrough(
  t: ExecutionContext,
  page: Page,
  { stage }: Opened,
  handoff: string,
): Promise<void> {
  // What others did before is told to a new tab as well.
  await page.evaluate("document.getElementById('events').replaceChildren()");
  await shows(page, hasLine(handoff));
  for (const way of ['redirect', 'created', 'direct', handoff]) {
    await page.check(`#ways input[value=${way}]`, { force: true });
    await shows(page, `${chosen(way)} && ${hasLine(way)}`);
    if (way !== 'direct')
      t.is((await stage.lab!.head.status()).mode, handoff === way ? 'handoff' : (way as 'redirect'));
  }
  await page.selectOption('#turns', 'redirect');
  await shows(page, "document.querySelectorAll('#ways .in-turns').length === 2");
  await shows(page, hasLine('redirect'));
  await page.selectOption('#turns', '');
  await shows(page, "document.querySelectorAll('#ways .in-turns').length === 0");
  await page.check(`#ways input[value=${handoff}]`, { force: true });
  await page.selectOption('#policy', 'least-connections');
  await happened(page, 'policy least-connections');
  t.is((await stage.lab!.head.status()).policy, 'least-connections');
  await page.focus('#rate');
  await page.keyboard.press('ArrowRight');
  await happened(page, ' visits a second');
  for (const line of ['p90', 'p50']) await page.click(`button[data-line=${line}]`);
  for (const span of ['60', '900', '180']) await page.click(`button[data-span="${span}"]`);

  const row = (name: string, deed: string) =>
    page.click(`#deliveries button[data-do=${deed}][data-key=${name}]`);
  await row('d1', 'drain');
  await happened(page, 'd1 drains');
  t.is((await stage.lab!.head.status()).deliveries.find(({ name }) => name === 'd1')!.state, 'draining');
  await shows(page, `document.querySelector('button[data-do=drain][data-key=d1]').textContent === 'undrain'`);
  await row('d1', 'drain');
  await happened(page, 'd1 gets connections again');
  await row('d2', 'freeze-delivery');
  await happened(page, 'd2 frozen');
  await page.waitForSelector('button[data-do=continue-delivery][data-key=d2]');
  await row('d2', 'continue-delivery');
  await happened(page, 'd2 goes on');
  await page.waitForSelector('button[data-do=freeze-delivery][data-key=d2]');
  await row('d2', 'kill-delivery');
  await happened(page, 'd2 killed');
  await page.waitForSelector('button[data-do=start-delivery][data-key=d2]');
  await row('d2', 'start-delivery');
  await happened(page, 'd2 started again');
  const { pid } = stage.lab!.head;
  await page.click('button[data-do=upgrade-head]');
  await happened(page, 'head upgraded');
  t.not(stage.lab!.head.pid, pid);
  await page.click('button[data-do=kill-head]');
  await happened(page, 'the head is gone');
  await happened(page, 'head started again');
  await happened(page, 'the head is back');
  await shows(page, hasLine(handoff));
}

async function looksRight(t: ExecutionContext, page: Page, name: string): Promise<void> {
  t.true(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), `${name} fits`);
  t.deepEqual(await serious(page), [], name);
  t.true(
    await page.evaluate(`[...document.querySelectorAll('canvas')].every((canvas) => {
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      return new Set(new Uint32Array(data.buffer)).size > 3;
    })`),
    `${name} is drawn`,
  );
  const paper = await page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
  t.is(Number(/\d+/.exec(paper)![0]) < 128, name.endsWith('dark'), paper);
}

async function stopIt(t: ExecutionContext, page: Page, { live, out, stage }: Opened): Promise<void> {
  await page.click('button[data-do=stop]');
  await page.waitForSelector('#over[open]', { timeout: 30_000 });
  const [report, follows] = await Promise.all([
    live.finish(),
    page.click('#over-link').then(() => page.waitForSelector('.answer')),
  ]);
  t.truthy(follows);
  t.true((await page.textContent('h1'))!.includes('What changed'));
  t.deepEqual(await serious(page), []);
  t.is((await readdir(out)).length, 2);
  const { cases, charts, heats, experiment } = reportSchema.parse(
    JSON.parse(await readFile(report!.json, 'utf8')),
  );
  t.is(experiment, 'live');
  t.true(cases.length >= 4);
  t.true(charts.length >= 3 && charts[0]!.events.length >= 5);
  t.true(heats!.length >= 3);
  await t.throwsAsync(stage.lab!.head.status());
}

needing('chromium', test.serial)(
  'on loopback everything is clicked, wide and narrow, light and dark',
  async (t) => {
    t.timeout(240_000);
    const opened = await open(t, 'loopback');
    const browser = await browse(t);
    for (const screen of screens) {
      const { page, said } = await visit(browser, opened, screen);
      const name = `${screen.width} ${screen.colorScheme}`;
      // Twice is enough of each fault; the look of it has to be right on every screen.
      if (screen === screens[0] || screen === screens[1]) await clickThrough(t, page, opened, 'handoff-fd');
      t.regex((await page.textContent('#cables-why'))!, /no cables.*--on netns/s);
      await looksRight(t, page, name);
      t.deepEqual(said, [], name);
      if (screen === screens.at(-1)) await stopIt(t, page, opened);
      await page.close();
    }
  },
);

const netnsTest = needing('chromium', process.getuid!() === 0 ? test.serial : test.skip);

netnsTest('on hosts of its own cables become slow as well, and visits slower by as much', async (t) => {
  t.timeout(240_000);
  const opened = await open(t, 'netns');
  const browser = await browse(t);
  const { page, said } = await visit(browser, opened, screens[2]!);
  await clickThrough(t, page, opened, 'handoff-migrate');
  await page.fill('.cable[data-host=client] input[data-field=rttMs]', '60');
  await page.keyboard.press('Tab');
  await happened(page, 'cable of client: round trip 60 ms');
  await shows(
    page,
    `parseFloat(document.querySelector('#now tr[data-way="handoff-migrate"] td:nth-child(3)').textContent) >= 110`,
  );
  await page.fill('.cable[data-host=client] input[data-field=rttMs]', '5000');
  await page.keyboard.press('Tab');
  await shows(page, "document.getElementById('said').textContent.includes('0 to 1000')");
  await looksRight(t, page, 'netns dark');
  t.deepEqual(said, []);
  const narrow = await visit(browser, opened, screens[3]!);
  await looksRight(t, narrow.page, 'netns narrow light');
  t.deepEqual(narrow.said, []);
  await narrow.page.close();
  await stopIt(t, page, opened);
});

needing('chromium', test.serial)('a tab that sleeps, and comes back, has what it has missed', async (t) => {
  const opened = await open(t, 'loopback');
  const { page, said } = await visit(await browse(t), opened, screens[0]!);
  const counted = (key: string) => page.evaluate<number>(`Number(document.body.dataset.${key})`);
  const session = await page.context().newCDPSession(page);
  await session.send('Page.enable');
  const away = async (leave: () => Promise<unknown>, comeBack: () => Promise<unknown>) => {
    const before = await counted('seconds');
    await leave();
    await new Promise((resolve) => setTimeout(resolve, 6000));
    await comeBack();
    await until(
      'it has all seconds',
      () => counted('seconds'),
      (now) => now >= before + 6,
    );
    await shows(page, "document.querySelector('#state').dataset.state === 'live'");
    t.is(await counted('lost'), 0);
  };
  const state = (now: 'frozen' | 'active') => () => session.send('Page.setWebLifecycleState', { state: now });
  await away(state('frozen'), state('active'));
  // As a laptop that was shut: the connection is gone as well.
  const offline = (is: boolean) => () => page.context().setOffline(is);
  await away(offline(true), offline(false));
  t.deepEqual(
    said.filter((one) => !one.includes('ERR_INTERNET_DISCONNECTED')),
    [],
  );
});
