import { deliverySchema, headSchema, resolveSettings } from '../../../shared/config.ts';
import type { Schema } from '../../../shared/schema.ts';
import { read } from '../refusals.ts';
import { hold, same, type Target } from '../target.ts';

const schemas: Readonly<Record<string, Schema<object> & { readonly shape: object }>> = {
  head: headSchema,
  delivery: deliverySchema,
};
const keys = [...new Set(Object.values(schemas).flatMap(({ shape }) => Object.keys(shape)))];
const texts = [
  '1s',
  '10ms',
  '16k',
  '64m',
  '127.0.0.1:8080',
  '[::1]:80',
  ':0',
  'handoff',
  'redirect',
  'off',
  'on',
  'auto',
  'd1',
  '/run/x.sock',
  '0',
  '1',
  '4096',
  '-1',
  '1e9',
  '10.0.0.1,::1',
  '',
  ' ',
  'é',
  '\u001b[2J',
  '\n',
  '__proto__',
];

/** Settings as a command line has them, texts: read in bounds, or refused by the option's name in one plain line. */
export const settings: Target = {
  about: 'settings from a command line',
  code: ['shared/config.ts', 'shared/schema.ts', 'shared/units.ts'],
  words: [...keys, ...texts, '=', '\n'],
  longest: 1000,
  generate: (dice) =>
    Buffer.from(
      [dice.pick(['head', 'delivery']), ...dice.some(5, () => `${dice.pick(keys)}=${dice.pick(texts)}`)].join(
        '\n',
      ),
    ),
  check(input) {
    const [which, ...lines] = Buffer.from(input).toString('utf8').split('\n');
    const flags = Object.fromEntries(
      lines.map((line) => {
        const [key, ...value] = line.split('=');
        return [key!, value.join('=')];
      }),
    );
    const schema = schemas[which === 'delivery' ? which : 'head']!;
    const outcome = read(['BAD_OPTION', 'UNKNOWN_OPTION'], () => resolveSettings(schema, flags));
    if ('refusal' in outcome) return outcome.refusal.replace(/ \(got .*| called .*/, '').slice(0, 200);
    for (const [key, value] of Object.entries(outcome.value)) {
      hold(Object.hasOwn(schema.shape, key), `a setting ${key}`);
      if (typeof value === 'number') hold(Number.isFinite(value) && value >= 0, `${key} is ${value}`);
    }
    // What was read is right: it is no other the second time, and says the same of itself.
    same(resolveSettings(schema, { ...outcome.value }), outcome.value, 'read again');
    return 'read';
  },
};
