import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deliverySchema, headSchema, resolveSettings } from '../../../shared/config.ts';
import type { Schema } from '../../../shared/schema.ts';
import { read } from '../refusals.ts';
import { hold, same, type Target } from '../target.ts';

const directory = mkdtempSync(join(tmpdir(), 'baton-fuzz-'));
const file = join(directory, 'settings.json');
const keys = [...new Set([...Object.keys(headSchema.shape), ...Object.keys(deliverySchema.shape)])];
const schemas: readonly (Schema<object> & { readonly shape: object })[] = [headSchema, deliverySchema];
const values = [
  '"1s"',
  '10',
  '"16k"',
  '"127.0.0.1:8080"',
  '"handoff"',
  '"off"',
  '"d1"',
  'null',
  'true',
  '[]',
  '{}',
  '-1',
  '1e400',
  '0.5',
  '"\\u001b[2J"',
  '"\\n"',
  '{"a":1}',
];

/** A file of settings: whatever is in it, read or refused by its name and the setting's. */
export const settingsFiles: Target = {
  about: 'files of settings',
  code: ['shared/config.ts', 'shared/schema.ts', 'shared/units.ts'],
  words: [
    ...keys.map((key) => `"${key}":`),
    ...values,
    '{',
    '}',
    ',',
    '"',
    '"$schema":',
    '"__proto__":',
    '\u001b[31m',
  ],
  longest: 2000,
  generate: (dice) =>
    Buffer.from(
      `{${dice.some(5, () => `"${dice.pick([...keys, '__proto__', '$schema'])}":${dice.pick(values)}`).join(',')}}`,
    ),
  check(input) {
    writeFileSync(file, input);
    const results = schemas.map((schema) => {
      const outcome = read(['BAD_OPTION', 'UNKNOWN_OPTION', 'CONFIG_UNREADABLE'], () =>
        resolveSettings(schema, {}, file),
      );
      if ('refusal' in outcome) {
        hold(outcome.refusal.includes(file), `the file is not named: ${outcome.refusal}`);
        return outcome.refusal
          .replace(directory, '')
          .replace(/ \(got .*| called .*|file .*/, '')
          .slice(0, 100);
      }
      hold(
        Object.getPrototypeOf(outcome.value) === Object.prototype,
        'settings with a prototype of their own',
      );
      same(resolveSettings(schema, { ...outcome.value }), outcome.value, 'read again');
      return 'read';
    });
    return results.join(', ');
  },
  close: () => rmSync(directory, { recursive: true, force: true }),
};
