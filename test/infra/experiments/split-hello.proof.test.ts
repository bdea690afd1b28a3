/** However a hello is cut, a head chooses by its name; what is no hello gets the alert for that, or is closed. */
import test from 'ava';
import { runExperiment } from '../../../infra/experiments/kit/run.ts';
import { hellos } from '../../../infra/experiments/split-hello/hellos.ts';
import { shapes } from '../../../infra/experiments/split-hello/shapes.ts';
import { splitHello } from '../../../infra/experiments/split-hello.ts';
import { loopback } from '../../../infra/lab/kinds/loopback.ts';
import { reportSchema } from '../../../infra/report/schema.ts';
import { createProgress } from '../../../infra/terminal/progress.ts';
import { readPlainly } from '../../support/hellos.ts';
import { has } from '../../support/needs.ts';

test('recorded hellos stay hellos in each shape that is right, and are none in the others', (t) => {
  for (const { client, bytes } of hellos) {
    for (const { name, right, sent } of shapes) {
      for (const { pieces } of sent(bytes, 100)) {
        const reading = readPlainly(Buffer.concat(pieces));
        const expected = right === undefined ? /^(incomplete|malformed)$/ : /^complete$/;
        t.regex(reading.is, expected, `${client}: ${name}`);
        if (reading.is === 'complete')
          t.is(reading.name, right === 'default' ? 'land.example' : 'shop.example', `${client}: ${name}`);
      }
    }
  }
});

test('a head chooses by the name of every hello that is right; the others find nobody', async (t) => {
  const report = reportSchema.parse(
    await runExperiment(splitHello, {
      on: loopback,
      quick: true,
      signal: new AbortController().signal,
      progress: createProgress({ write: () => {} }),
    }),
  );
  const [table] = report.tables;
  const column = (name: string) => table!.columns.indexOf(name);
  t.deepEqual(
    table!.rows.map((row) => [row[0], row[column('Baton')]]),
    shapes.map(({ name, right }) => [
      name,
      right ?? (/nothing|SSL/.test(name) ? 'closed' : 'alert decode_error'),
    ]),
  );
  for (const [name, tool] of [
    ['HAProxy', 'haproxy'],
    ['nginx', 'nginx'],
  ] as const) {
    if (has(tool)) t.is(table!.rows[0]![column(name)], 'by name', name);
    else t.regex(report.notes.join('\n'), new RegExp(`${name} is not installed`));
  }
});
