/** A lab in a file: what is wrong with it is said with its place, its mend, and nothing is started. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { parse } from 'yaml';
import { z } from 'zod';
import { parseText } from '../../../../infra/lab/file/document.ts';
import { nearest } from '../../../../infra/lab/file/nearest.ts';
import { checkLab, type LabKindName, readLabFile } from '../../../../infra/lab/file/read.ts';
import { labFileJsonSchema } from '../../../../infra/lab/file/schema.ts';

const project = fileURLToPath(new URL('../../../../', import.meta.url));
const read = (text: string, on?: LabKindName) => checkLab('lab.yaml', parseText('lab.yaml', text), on);

const two = 'deliveries:\n  - name: d1\n  - name: d2\n';

/** The file, where it is wrong, and what is said. */
const wrong: [title: string, text: string, place: string, says: RegExp, on?: LabKindName][] = [
  ['nothing', '', '1:1', /"deliveries" is missing/],
  ['a list', '- d1\n', '1:1', /expected a map/],
  ['text', 'hello\n', '1:1', /expected a map/],
  ['no YAML', 'deliveries: [\n', '2:1', /no YAML.*mend/],
  ['a tab', 'deliveries:\n\t- name: d1\n', '2:1', /tab.*spaces/],
  ['a key twice', `${two}rounds: 1\nrounds: 2\n`, '5:1', /twice; leave one/],
  ['two documents', `${two}---\n${two}`, '4:1', /more than one document/],
  [
    'aliases of aliases',
    `a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\n${two}`,
    '1:1',
    /write out/,
  ],
  ['an unknown key', `${two}roundz: 1\n`, '4:1', /no "roundz".*did you mean rounds\?/],
  [
    'an unknown key of a delivery',
    'deliveries:\n  - name: d1\n    wieght: 2\n',
    '3:5',
    /did you mean weight\?/,
  ],
  [
    'an unknown key of a cable',
    `on: netns\n${two}cables:\n  client:\n    dely: 5ms\n`,
    '7:5',
    /did you mean delay\?/,
  ],
  [
    'an unknown setting',
    'deliveries:\n  - name: d1\n    options: { drainTimeut: 1s }\n',
    '3:16',
    /did you mean drainTimeout\?/,
  ],
  [
    'an unknown setting of the head',
    `${two}head:\n  options:\n    stalTimeout: 1s\n`,
    '6:5',
    /did you mean stallTimeout\?/,
  ],
  [
    'one that the lab gives itself',
    `${two}head:\n  options: { listen: ":80" }\n`,
    '5:14',
    /no "listen" here/,
  ],
  [
    'a bad setting',
    `${two}head:\n  options: { stallTimeout: soon }\n`,
    '5:28',
    /stallTimeout: expected.*250ms/,
  ],
  ['a delivery without a name', 'deliveries:\n  - weight: 2\n', '2:5', /"name" is missing/],
  ['no deliveries', 'deliveries: []\n', '1:13', /write - name: d1/],
  [
    'a weight of words',
    'deliveries:\n  - name: d1\n    weight: heavy\n',
    '3:13',
    /weight: expected a whole number from/,
  ],
  [
    'a delay without a unit',
    `on: netns\n${two}cables:\n  client: { delay: 25 }\n`,
    '6:20',
    /with its unit, as 25ms/,
  ],
  ['a loss without a sign', `on: netns\n${two}cables:\n  client: { loss: 0.1 }\n`, '6:19', /as 1%/],
  ['a rate of bytes', `on: netns\n${two}cables:\n  client: { rate: 10MB }\n`, '6:19', /as 10mbit/],
  ['a name twice', 'deliveries:\n  - name: d1\n  - name: d1\n', '3:11', /"d1" is used twice/],
  ['the name of a host', 'deliveries:\n  - name: client\n', '2:11', /another name/],
  ['a name that is too long', 'deliveries:\n  - name: a-very-long-name\n', '2:11', /up to 10/],
  [
    'a cable to nowhere',
    `on: netns\n${two}cables:\n  d3: { delay: 5ms }\n`,
    '6:3',
    /no host "d3".*did you mean d[12]\?/,
  ],
  [
    'a cable of one without a host',
    'on: netns\ndeliveries:\n  - name: d1\n    host: head\ncables:\n  d1: { delay: 5ms }\n',
    '6:3',
    /no host "d1"/,
  ],
  ['a cable on loopback', `${two}cables:\n  client: { delay: 5ms }\n`, '5:3', /no cables; use --on netns/],
  [
    "the head's cable on Vagrant",
    `${two}cables:\n  head: { delay: 5ms }\n`,
    '5:3',
    /change the client's/,
    'vagrant',
  ],
  [
    'a policy on Vagrant',
    `${two}timetable:\n  at 1s: policy round-robin\n`,
    '5:10',
    /write it as policy of head/,
    'vagrant',
  ],
  ['no time', `${two}timetable:\n  soon: kill d1\n`, '5:3', /write at 10s/],
  ['a time without a unit', `${two}timetable:\n  at 10: kill d1\n`, '5:3', /write at 10s/],
  ['a fault of nobody', `${two}timetable:\n  at 1s: kill d9\n`, '5:10', /no "d9" here; did you mean d[12]\?/],
  ['an unknown verb', `${two}timetable:\n  at 1s: kil d1\n`, '5:10', /did you mean kill\?/],
  ['a verb alone', `${two}timetable:\n  at 1s: drain\n`, '5:10', /as in drain d1/],
  ['a fault in a list', `${two}timetable:\n  at 1s:\n    - kill d1\n    - kill d9\n`, '7:7', /no "d9"/],
  ['two at once', `${two}timetable:\n  at 1s: kill d1 d2\n`, '5:10', /in a list/],
  ['an unknown mode', `${two}timetable:\n  at 1s: mode redirct\n`, '5:10', /did you mean redirect\?/],
  ['an unknown policy', `${two}timetable:\n  at 1s: policy round\n`, '5:10', /no policy "round"/],
  ['a drain of the head', `${two}timetable:\n  at 1s: drain head\n`, '5:10', /as in drain d1/],
  ['an upgrade of a delivery', `${two}timetable:\n  at 1s: upgrade d1\n`, '5:10', /upgrade head/],
  [
    'a cable that does nothing known',
    `on: netns\n${two}timetable:\n  at 1s: cable client dealy 5ms\n`,
    '6:10',
    /did you mean delay\?/,
  ],
  [
    'a cable without a unit',
    `on: netns\n${two}timetable:\n  at 1s: cable client delay 5\n`,
    '6:10',
    /with its unit/,
  ],
  [
    'a cable change on loopback',
    `${two}timetable:\n  at 1s: cable client delay 5ms\n`,
    '5:10',
    /none on loopback, use netns/,
  ],
  [
    'a start of one that runs',
    `${two}timetable:\n  at 1s: start d1\n`,
    '5:10',
    /runs then; kill or stop it before/,
  ],
  [
    'a second kill',
    `${two}timetable:\n  at 1s: kill d1\n  at 2s: kill d1\n`,
    '6:10',
    /has ended by then; start it before/,
  ],
  [
    'times that are not in order',
    `${two}timetable:\n  at 5s: start d1\n  at 6s: kill d1\n`,
    '5:10',
    /runs then/,
  ],
  [
    'a drain without a head',
    `${two}timetable:\n  at 1s: kill head\n  at 2s: drain d1\n`,
    '6:10',
    /write start head before/,
  ],
  ['a way that there is not', `${two}ways: [handof-fd]\n`, '4:8', /"handoff-fd"/],
  ['a move on loopback', `${two}ways: [handoff-migrate]\n`, '4:8', /use --on netns/],
  ['an fd to another host', `${two}ways: [direct, handoff-fd]\n`, '4:16', /write host: head/, 'netns'],
  ['two heads', `heads: 2\n${two}`, '1:8', /loopback lab has one head; write heads: 1/],
  [
    'a second head where there is one',
    `${two}timetable: { at 1s: kill head2 }\n`,
    '4:21',
    /no "head2" here; did you mean head/,
  ],
  [
    'a mode when no head of two runs',
    `heads: 2\n${two}timetable:\n  at 1s: kill head\n  at 2s: [mode redirect, freeze head2]\n  at 3s: mode handoff\n`,
    '8:10',
    /no head runs then; write start head before/,
    'netns',
  ],
  [
    'a delivery that is called like a head',
    'heads: 2\ndeliveries: [{ name: head2 }]\n',
    '2:22',
    /host that the lab has/,
    'netns',
  ],
  ['three heads', `heads: 3\n${two}`, '1:8', /from 1 to 2/],
  [
    'an arrival that there is not',
    `${two}visits: { arrivals: sometimes }\n`,
    '4:21',
    /"constant", "poisson"/,
  ],
  ['a path that is none', `${two}visits: { paths: [here] }\n`, '4:19', /begins with \//],
  ['requests of words', `${two}visits: { requestsPerVisit: many }\n`, '4:29', /geometric:3/],
  ['a lifetime without a unit', `${two}visits: { lifetime: uniform:1-9 }\n`, '4:21', /uniform:1s-9s/],
  ['a duration of bare seconds', `${two}visits: { duration: 10 }\n`, '4:21', /with its unit/],
];
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

const examples = readdirSync(`${project}infra/lab/examples`).filter((file) => file.endsWith('.yaml'));
for (const file of examples) {
  test(`the example ${file} is right, and points an editor at the schema`, (t) => {
    const { timetable } = readLabFile(`${project}infra/lab/examples/${file}`);
    t.true(timetable.length > 0);
    t.regex(
      readFileSync(`${project}infra/lab/examples/${file}`, 'utf8'),
      /^# yaml-language-server: \$schema=\.\.\/\.\.\/\.\.\/docs\/lab\.schema\.json$/m,
    );
  });
}

test('the published schema is what the code says', (t) => {
  const published = JSON.parse(readFileSync(`${project}docs/lab.schema.json`, 'utf8'));
  t.deepEqual(
    published,
    JSON.parse(JSON.stringify(labFileJsonSchema())),
    'run: npm run -s baton -- lab schema --of file > docs/lab.schema.json',
  );
});

test('the published schema takes the examples, and refuses by itself what has a wrong key, kind or unit', (t) => {
  const published = z.fromJSONSchema(JSON.parse(readFileSync(`${project}docs/lab.schema.json`, 'utf8')));
  for (const file of examples) {
    const value: unknown = parse(readFileSync(`${project}infra/lab/examples/${file}`, 'utf8'));
    const { success, error } = published.safeParse(value);
    t.true(success, `${file}: ${error?.message}`);
  }
  const seen = [
    'an unknown key',
    'an unknown key of a delivery',
    'an unknown key of a cable',
    'an unknown setting',
    'an unknown setting of the head',
    ...['a delivery without a name', 'a weight of words', 'a delay without a unit'],
    ...['a loss without a sign', 'a rate of bytes'],
    'a name that is too long',
    'three heads',
    'a way that there is not',
  ];
  for (const [title, text] of wrong)
    if (seen.includes(title)) t.false(published.safeParse(parse(text)).success, title);
});

test('a word that is far from all is not guessed', (t) => {
  t.is(nearest('kil', ['kill', 'start']), 'kill');
  t.is(nearest('qqqqqq', ['kill', 'start']), undefined);
});

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
