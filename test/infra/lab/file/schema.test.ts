/** The schema that an editor holds a lab's file against. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { parse } from 'yaml';
import { z } from 'zod';
import { labFileJsonSchema } from '../../../../infra/lab/file/schema.ts';
import { examples, folder } from '../../../support/lab-examples.ts';
import { wrong } from '../../../support/wrong-lab-files.ts';

const file = fileURLToPath(new URL('../../../../docs/lab.schema.json', import.meta.url));

test('the published schema is what the code says', (t) => {
  const published = JSON.parse(readFileSync(file, 'utf8'));
  t.deepEqual(
    published,
    JSON.parse(JSON.stringify(labFileJsonSchema())),
    'run: npm run -s baton -- lab schema --of file > docs/lab.schema.json',
  );
});

test('the published schema takes the examples, and refuses by itself what has a wrong key, kind or unit', (t) => {
  const published = z.fromJSONSchema(JSON.parse(readFileSync(file, 'utf8')));
  for (const example of examples) {
    const value: unknown = parse(readFileSync(join(folder, example), 'utf8'));
    const { success, error } = published.safeParse(value);
    t.true(success, `${example}: ${error?.message}`);
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
