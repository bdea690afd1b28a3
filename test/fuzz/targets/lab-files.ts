import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseText } from '../../../infra/lab/file/document.ts';
import { checkLab } from '../../../infra/lab/file/read.ts';
import { read } from '../refusals.ts';
import { hold, same, type Target } from '../target.ts';

const folder = fileURLToPath(new URL('../../../infra/lab/examples/', import.meta.url));
const examples = readdirSync(folder).map((name) => readFileSync(`${folder}${name}`, 'utf8'));
const FILE = 'lab.yaml';
const kinds = ['loopback', 'netns', 'vagrant'] as const;
const steps = [
  ...[
    'kill d1',
    'stop d1',
    'start d1',
    'freeze head',
    'continue head',
    'start head',
    'upgrade head',
    'drain d1',
  ],
  ...['undrain d1', 'mode redirect', 'policy least-connections', 'cable client delay 50ms, loss 1%'],
  ...['cable d1 out delay 5ms', 'cable head down', 'cable d1 plain', 'kill', 'drain head', 'x'],
];
const pieces = [
  ...['heads: 2', 'heads: 1', 'on: netns', 'on: loopback', 'name: two-shops', 'rounds: 3'],
  ...['head: {mode: redirect, workers: 2}', 'head: {options: {firstDeliveryWithin: 1s}}', 'ways: [direct]'],
  ...['visits: {rate: 10, duration: 5s, requestsPerVisit: "uniform:1-9", lifetime: "exponential:5s"}'],
  ...['cables: {client: {delay: 25ms}}', 'cables: {d1: {out: {loss: 1%}, in: {rate: 10mbit}}}', '$schema: x'],
];

/** Nothing is said to the terminal but by whoever shows the error. */
function silently<T>(work: () => T): T {
  const { emitWarning } = process;
  process.emitWarning = (warning) => {
    throw new Error(`it warns: ${warning}`);
  };
  try {
    return work();
  } finally {
    process.emitWarning = emitWarning;
  }
}

/** A lab in a file: read as it stands there, or refused with the place in it, in one plain line. */
export const labFiles: Target = {
  about: 'labs in files',
  code: [
    'infra/lab/file/read.ts',
    'infra/lab/file/document.ts',
    'infra/lab/file/actions.ts',
    'infra/lab/file/quantities.ts',
    'shared/schema.ts',
  ],
  words: [
    ...pieces,
    ...steps,
    ...examples.flatMap((text) => text.split('\n')).filter((line) => line.trim() !== ''),
    'deliveries:\n  - name: d1\n',
    'timetable:\n  at 1s: ',
    '&a [*a]',
    '<<: *a',
    '*a',
    '? ',
    '!!binary ',
    '\t',
    '---\n',
    '__proto__: ',
    '\u001b[31m',
  ],
  longest: 3000,
  generate(dice) {
    if (dice.oneIn(4)) return Buffer.from(dice.pick(examples));
    const deliveries = ['d1', 'd2', ...dice.some(2, () => dice.pick(['d1', 'head', 'X', 'l1']))];
    const lines = [
      'deliveries:',
      ...deliveries.map((name) => `  - {name: ${name}, host: ${dice.mostly('own', 'head', 'x')}}`),
      ...dice.some(5, () => dice.pick(pieces)),
      'timetable:',
      ...dice.some(6, () => `  at ${dice.pick(['0', '1s', '500ms', '2m', '1', '30h'])}: ${dice.pick(steps)}`),
    ];
    return Buffer.from(lines.join('\n'));
  },
  check(input) {
    const text = Buffer.from(input).toString('utf8');
    const results = kinds.map((kind) => {
      const outcome = silently(() => read('LAB_FILE', () => checkLab(FILE, parseText(FILE, text), kind)));
      if ('refusal' in outcome) {
        const [, line, column] = /^lab\.yaml:(\d+):(\d+): \S/.exec(outcome.refusal) ?? [];
        hold(line !== undefined, `no place in ${JSON.stringify(outcome.refusal)}`);
        const lines = text.split(/\r\n|\n|\r/);
        hold(Number(line) <= lines.length, `line ${line} of ${lines.length}`);
        hold(Number(column) >= 1, `column ${column}`);
        return outcome.refusal
          .replace(/^\S+ /, '')
          .replaceAll(/".*?"|\d+/g, 'N')
          .slice(0, 60);
      }
      const { lab, timetable, cables, name } = outcome.value;
      hold(/^[a-z][a-z0-9-]{0,39}$/.test(name), `name ${JSON.stringify(name)}`);
      hold(lab.deliveries.length > 0 && lab.deliveries.length <= 64, 'deliveries');
      same(
        timetable.map(({ atMs }) => atMs),
        timetable.map(({ atMs }) => atMs).toSorted((one, other) => one - other),
        'the order of the timetable',
      );
      for (const cable of Object.values(cables))
        for (const value of Object.values(cable).flatMap((one) =>
          typeof one === 'object' ? Object.values(one) : one,
        ))
          hold(Number.isFinite(value) && value >= 0, `a cable's ${value}`);
      hold(!Object.hasOwn(Object.prototype, 'polluted'), 'a prototype has changed');
      return 'read';
    });
    return results.join(', ');
  },
};
