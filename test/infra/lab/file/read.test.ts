/** A lab in a file: what is wrong with it is said with its place, its mend, and nothing is started. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { parseText } from '../../../../infra/lab/file/document.ts';
import { checkLab, type LabKindName, readLabFile } from '../../../../infra/lab/file/read.ts';
import { examples, folder } from '../../../support/lab-examples.ts';
import { two, wrong } from '../../../support/wrong-lab-files.ts';

const read = (text: string, on?: LabKindName) => checkLab('lab.yaml', parseText('lab.yaml', text), on);

for (const [title, text, place, says, on] of wrong) {
  test(`${title}: said at ${place}, in one line`, (t) => {
    const error = t.throws(() => read(text, on), { code: 'LAB_FILE' })!;
    t.true(error.message.startsWith(`lab.yaml:${place}: `), error.message);
    t.regex(error.message, says);
    t.false(error.message.includes('\n'));
  });
}

test('what is in a file is what the lab is made of', (t) => {
  const { name, kind, cables, timetable, lab } = read(
    `
name: mine
deliveries:
  - { name: a, weight: 3, credits: 7 }
  - { name: b, host: head, options: { drainTimeout: 2s } }
cables:
  client: { delay: 10ms, loss: 1%, out: { rate: 512kbit, loss: 2% } }
  a: { jitter: 1ms }
timetable:
  at 2s: [kill a, drain b]
  at 500ms: cable client out delay 30ms, in rate 1gbit
  at 3s: cable client down
`,
    'netns',
  );
  t.deepEqual([name, kind], ['mine', 'netns']);
  t.deepEqual(cables, {
    client: { out: { delayMs: 10, lossPercent: 2, rateMbit: 0.512 }, in: { delayMs: 10, lossPercent: 1 } },
    a: { jitterMs: 1 },
  });
  t.deepEqual(
    timetable.map(({ atMs, text }) => [atMs, text]),
    [
      [500, 'cable client out delay 30ms, in rate 1gbit'],
      [2000, 'kill a'],
      [2000, 'drain b'],
      [3000, 'cable client down'],
    ],
  );
  t.deepEqual(timetable[0]!.action, {
    verb: 'cable',
    target: 'client',
    cable: { out: { delayMs: 30 }, in: { rateMbit: 1000 } },
  });
  t.deepEqual(
    lab.deliveries.map(({ weight, credits, host }) => [weight, credits, host]),
    [
      [3, 7, 'own'],
      [1, undefined, 'head'],
    ],
  );
});

test('the file has its name from itself, and --on the last word', (t) => {
  const { name } = checkLab('/x/My Lab 2.yaml', parseText('x', two));
  t.is(name, 'my-lab-2');
  t.is(read(`on: vagrant\n${two}`).kind, 'vagrant');
  t.is(read(`on: vagrant\n${two}`, 'netns').kind, 'netns');
});

test('a file that is none, or far too long, is said to be so', (t) => {
  t.throws(() => readLabFile('/nowhere/lab.yaml'), {
    code: 'LAB_FILE',
    message: /\/nowhere\/lab\.yaml: cannot read it/,
  });
  t.throws(() => readLabFile('/dev/zero'), { code: 'LAB_FILE', message: /cannot read it/ });
});

for (const file of examples) {
  test(`the example ${file} is right, and points an editor at the schema`, (t) => {
    const { timetable } = readLabFile(join(folder, file));
    t.true(timetable.length > 0);
    t.regex(
      readFileSync(join(folder, file), 'utf8'),
      /^# yaml-language-server: \$schema=\.\.\/\.\.\/\.\.\/docs\/lab\.schema\.json$/m,
    );
  });
}

test.serial('a key that is a map is refused like any other, and the terminal hears of nothing else', (t) => {
  const { emitWarning } = process;
  t.teardown(() => {
    process.emitWarning = emitWarning;
  });
  const warnings: unknown[] = [];
  process.emitWarning = (warning) => void warnings.push(warning);
  t.throws(() => read(`${two}? {name: d1}\n: 1\n`), {
    message: /^lab\.yaml:\d+:\d+: there is no "\{ name: d1 \}" here/,
  });
  t.deepEqual(warnings, []);
});
