/** What real clients do is known of these: nothing of a handoff is to be noticed, over TLS and HTTP/2 as without. */
import test from 'ava';
import { clients } from '../../../infra/experiments/clients.ts';
import { runExperiment } from '../../../infra/experiments/kit/run.ts';
import { loopback } from '../../../infra/lab/kinds/loopback.ts';
import { reportSchema } from '../../../infra/report/schema.ts';
import { createProgress } from '../../../infra/terminal/progress.ts';
import { has } from '../../support/needs.ts';

test('every client is served directly and handed over, over TLS by what it agrees on with the delivery', async (t) => {
  t.timeout(300_000);
  const report = reportSchema.parse(
    await runExperiment(clients, {
      on: loopback,
      quick: true,
      signal: new AbortController().signal,
      progress: createProgress({ write: () => {} }),
    }),
  );
  const [plain, secure, sockets] = report.tables;
  const installed = (name: string) =>
    (!name.startsWith('Chromium') || has('chromium')) &&
    (!name.startsWith('curl') || has('curl')) &&
    (!name.startsWith('Python') || has('python3'));
  const byHttp2 = (name: string) => /^(curl|Chromium)/.test(name);
  for (const [table, isSecure] of [
    [plain, false],
    [secure, true],
  ] as const) {
    const rows = table!.rows.filter(([name, cell]) => installed(name!) && !cell!.startsWith('not installed'));
    t.true(rows.length > 0);
    for (const [name, ...cells] of rows) {
      const served = isSecure && byHttp2(name!) ? 'served, by HTTP/2' : 'served';
      t.deepEqual(
        cells.slice(0, 4),
        [served, 'served, with the body', served, 'served, with the body'],
        name,
      );
      if (/fetch|wget|Chromium|-L/.test(name!))
        t.deepEqual(cells.slice(4, 6), [served, 'served, with the body'], name);
      t.true(
        cells.slice(6).every((cell) => /^(stopped at the 201|showed the page)/.test(cell)),
        name,
      );
    }
  }
  const node = 'Node WebSocket';
  const page = 'Chromium, a page with a WebSocket';
  const refused = 'refused the answer';
  const expected = [node, page].filter(installed).flatMap((name) => [
    [name, 'served', 'served', 'served', 'served'],
    [`${name}, over TLS`, 'served', 'served', refused, refused],
  ]);
  t.deepEqual(
    sockets!.rows.filter(([name]) => installed(name!)),
    expected,
  );
});
