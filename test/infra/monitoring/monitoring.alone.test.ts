/** The dashboard and the alerts, on the metrics of a real head with deliveries of both kinds, as a real Prometheus has them. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { execa } from 'execa';
import { parse } from 'yaml';
import { startNetnsLab } from '../../../infra/lab/netns.ts';
import { visitFrom } from '../../../infra/lab/visit-from.ts';
import { needing } from '../../support/needs.ts';
import { asRoot } from '../../support/netns.ts';
import { until } from '../../support/until.ts';

const folder = fileURLToPath(new URL('../../../infra/monitoring/', import.meta.url));
const text = (name: string) => readFile(`${folder}${name}`, 'utf8');

interface Dashboard {
  readonly panels: readonly {
    readonly title: string;
    readonly targets: readonly { readonly expr: string }[];
  }[];
  readonly annotations: { readonly list: readonly { readonly expr: string }[] };
}
interface Alerts {
  readonly groups: readonly {
    readonly rules: readonly {
      readonly alert: string;
      readonly expr: string;
      readonly annotations: Readonly<Record<string, string>>;
    }[];
  }[];
}

const dashboard = JSON.parse(await text('dashboard.json')) as Dashboard;
const rules = (parse(await text('alerts.yaml')) as Alerts).groups.flatMap((group) => group.rules);

needing('promtool')(
  'promtool has nothing against the rules, and each fires when it should and not otherwise',
  async (t) => {
    for (const args of [
      ['check', 'rules', 'alerts.yaml'],
      ['check', 'config', 'prometheus.yaml'],
      ['test', 'rules', 'alerts.test.yaml'],
    ]) {
      const { exitCode, all } = await execa('promtool', args, { cwd: folder, all: true, reject: false });
      t.is(exitCode, 0, all);
      t.notRegex(all, /FAILED|warning/i);
    }
  },
);

test('every alert says what is the matter and what to do, and is tried both ways', async (t) => {
  const tried = await text('alerts.test.yaml');
  for (const { alert, annotations } of rules) {
    t.true((annotations.summary?.length ?? 0) > 20, alert);
    t.true((annotations.action?.length ?? 0) > 20, alert);
    t.true(tried.includes(`alertname: ${alert} `), `${alert} is not tried when all is well`);
    t.true(tried.includes(`alertname="${alert}"`), `${alert} is not tried when it should fire`);
  }
});

test('panels of the dashboard neither overlap nor have a name twice', (t) => {
  const { panels } = dashboard as unknown as {
    panels: { id: number; title: string; gridPos: { x: number; y: number; w: number; h: number } }[];
  };
  t.is(new Set(panels.map(({ title }) => title)).size, panels.length);
  t.is(new Set(panels.map(({ id }) => id)).size, panels.length);
  const taken = new Set<string>();
  for (const { title, gridPos } of panels)
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        t.false(taken.has(`${x},${y}`) || x >= 24, title);
        taken.add(`${x},${y}`);
      }
});

/** As Grafana fills them in. */
const filledIn = (expr: string) => expr.replaceAll('$__rate_interval', '5s').replaceAll('$instance', '.+');

asRoot(['prometheus', 'curl'])(
  'no query of the dashboard is without data, and the alerts look at what there is',
  async (t) => {
    const lab = await startNetnsLab({
      mode: 'handoff',
      deliveries: [{ name: 'd1', arguments: ['--metrics', '10.77.0.11:9100'] }],
      local: [{ name: 'l1', arguments: ['--metrics', '127.0.0.1:9102'] }],
      headArguments: ['--metrics', '127.0.0.1:9101'],
    });
    t.teardown(lab.stop);
    const { host } = lab.head;
    const targets = ['127.0.0.1:9101', '127.0.0.1:9102', '10.77.0.11:9100'];
    const { directory } = lab.network;
    const config = `scrape_configs: [{job_name: baton, scrape_interval: 500ms, scrape_timeout: 500ms, static_configs: [{targets: [${targets.map((each) => `'${each}'`)}]}]}]
rule_files: ['${folder}alerts.yaml']`;
    await host.run(['sh', '-c', 'printf %s "$1" > "$2"', 'sh', config, `${directory}/prometheus.yml`]);
    const flags = [`--config.file=${directory}/prometheus.yml`, `--storage.tsdb.path=${directory}/tsdb`];
    // It says nothing of JSON when it is ready: the shell does, and becomes it.
    await host.start([
      'sh',
      '-c',
      'echo {}; exec prometheus "$@" --web.listen-address=127.0.0.1:9090 2>"$0"',
      `${directory}/prometheus.log`,
      ...flags,
    ]);
    const query = async (expr: string) => {
      const command = [
        'curl',
        '-s',
        '--data-urlencode',
        `query=${expr}`,
        'http://127.0.0.1:9090/api/v1/query',
      ];
      const answer = await host.run(command).catch(() => '');
      return (!answer.startsWith('{') ? { status: 'none' } : JSON.parse(answer)) as {
        status: string;
        error?: string;
        data?: { result: { metric: object; value: [number, string] }[] };
      };
    };
    const visiting = new AbortController();
    const visits = visitFrom(lab.client, {
      urls: [`http://${lab.head.listen}/bytes/1000`],
      rate: 50,
      durationMs: 120_000,
      signal: visiting.signal,
    });
    t.teardown(async () => {
      visiting.abort();
      await visits;
    });
    await until(
      'all are up, and visits are counted for long enough',
      () => query('min(rate(baton_handoff_seconds_count[5s])) * count(up == 1)'),
      ({ data }) => Number(data?.result[0]?.value[1] ?? 0) > 60,
      40_000,
    );

    for (const { title, targets: asked } of dashboard.panels)
      for (const { expr } of asked) {
        const { status, error, data } = await query(filledIn(expr));
        t.is(status, 'success', `${title}: ${expr}: ${error}`);
        const values = data!.result.map(({ value }) => Number(value[1]));
        t.true(values.length > 0, `${title}: no data for ${expr}`);
        t.true(
          values.some((value) => Number.isFinite(value)),
          `${title}: ${values} for ${expr}`,
        );
      }
    for (const { expr } of dashboard.annotations.list)
      t.is((await query(filledIn(expr))).status, 'success', expr);

    for (const { alert, expr } of rules) {
      const { status, error, data } = await query(expr);
      t.is(status, 'success', `${alert}: ${error}`);
      t.deepEqual(data!.result, [], `${alert} is true of a lab that is well`);
      const names = [...new Set(expr.match(/\b(?:baton|process|nodejs)_\w+|\bup\b(?!")/g))];
      t.true(names.length > 0, alert);
      for (const name of names)
        t.true((await query(name)).data!.result.length > 0, `${alert}: there is no ${name}`);
    }
    const loaded = await host.run(['curl', '-s', 'http://127.0.0.1:9090/api/v1/rules']);
    const { data } = JSON.parse(loaded) as {
      data: { groups: { rules: { name: string; health: string }[] }[] };
    };
    t.deepEqual(
      data.groups.flatMap((group) => group.rules.map(({ name }) => name)),
      rules.map(({ alert }) => alert),
    );
    visiting.abort();
    await visits;
    await lab.stop();
    t.false(existsSync(directory));
  },
);
