/** The live page in a real browser: how soon a switch is seen, and what it shows of a head that lies. */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { runningHead } from '../../../infra/live/head-stage.ts';
import { startLive } from '../../../infra/live/live.ts';
import { createServer } from '../../../shared/node-http.ts';
import { browse, chosen, hasLine, open, screens, shows, visit } from '../../support/live-page.ts';
import { needing } from '../../support/needs.ts';

needing('chromium', test.serial)('a switch is seen within a second and a half, by every tab', async (t) => {
  const opened = await open(t, 'loopback', 200);
  const browser = await browse(t);
  const tabs = await Promise.all(screens.slice(0, 2).map((screen) => visit(browser, opened, screen)));
  const taken: number[] = [];
  for (const way of ['redirect', 'handoff-fd', 'redirect', 'handoff-fd', 'redirect', 'handoff-fd']) {
    const seen = tabs.map(({ page }) =>
      page.evaluate<number>(`new Promise((resolve) => {
        const look = () => {
          if (${hasLine(way)} && ${chosen(way)}) resolve(Date.now());
          else requestAnimationFrame(look);
        };
        look();
      })`),
    );
    const at = Date.now();
    await tabs[0]!.page.check(`#ways input[value=${way}]`, { force: true });
    taken.push(...(await Promise.all(seen)).map((moment) => moment - at));
    await tabs[0]!.page.waitForTimeout(300);
  }
  t.log(`from the switch to the first changed point: ${taken.join(', ')} ms`);
  taken.sort((one, other) => one - other);
  t.true(taken[Math.floor(taken.length / 2)]! <= 1500, taken.join());
});

needing('chromium', test.serial)('what a head says is words on the page, whatever it is', async (t) => {
  const evil = `<img src=x onerror=document.title="owned">"'</script><script>document.title="owned"</script>`;
  const delivery = {
    name: evil,
    pid: 1,
    state: 'up',
    transport: 'fd',
    direct: evil,
    serves: null,
    weight: 1,
    credits: 1,
  };
  const counts = { inUse: 0, untaken: 0, taken: 0, returned: 0, redirected: 0, created: 0 };
  const status = {
    ...{
      version: evil,
      pid: 1,
      mode: 'handoff',
      policy: evil,
      listen: evil,
      socket: evil,
      workers: 1,
      backlog: 1,
    },
    ...{ uptimeSeconds: 1, cpu: { userMicros: 0, systemMicros: 0 }, accepted: 0, open: 0, lingering: 0 },
    ...{ outcomes: { [evil]: { [evil]: 1 } }, inspectionFailures: {}, listeners: [], migration: null },
    kernel: { listenOverflows: null, listenDrops: null },
    deliveries: [{ ...delivery, ...counts }],
  };
  const out = await mkdtemp(join(tmpdir(), 'baton-test-live-'));
  t.teardown(() => rm(out, { recursive: true }));
  const admin = join(out, 'admin.sock');
  const asked: string[] = [];
  const liar = createServer((request, response) => {
    if (request.method !== 'GET') asked.push(`${request.method} ${request.url}`);
    response.statusCode = request.method === 'GET' ? 200 : 500;
    response.end(
      JSON.stringify(request.method === 'GET' ? status : { error: { code: 'USAGE', message: evil } }),
    );
  }).listen(admin);
  await once(liar, 'listening');
  t.teardown(() => void liar.close());
  const stage = runningHead(admin, undefined);
  const live = await startLive(stage, { rate: 10, out });
  t.teardown(() => live.close());
  t.deepEqual(asked, [], 'looking changes nothing');
  const { page, said } = await visit(await browse(t), { live }, screens[0]!);
  await shows(page, "document.getElementById('deliveries').textContent.includes('<img src=x')");
  await page.click('#deliveries button[data-do=drain]');
  await shows(page, "document.getElementById('said').textContent.includes('<img src=x')");
  t.notRegex(await page.title(), /owned/);
  t.is(await page.evaluate("document.querySelectorAll('main img, main script').length"), 0);
  // What is not possible beside a head that others use is grey, and says why and what helps.
  for (const [what, why] of [
    ['#deliveries button[data-do=kill-delivery]', 'baton lab live starts a lab of its own'],
    ['button[data-do=kill-head]', 'baton lab live starts a lab of its own'],
  ] as const) {
    t.is(await page.getAttribute(what, 'aria-disabled'), 'true');
    await page.click(what, { force: true });
    await shows(page, `document.getElementById('said').textContent.includes(${JSON.stringify(why)})`);
  }
  t.regex((await page.getAttribute('#rate', 'title'))!, /--address/);
  t.regex((await page.getAttribute('#policy', 'title'))!, /baton reload/);
  t.deepEqual(
    said.filter((one) => !one.includes('400 (Bad Request)')),
    [],
  );
});
