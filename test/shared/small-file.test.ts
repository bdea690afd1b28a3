/** What can stand where a file of settings is expected. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { headSchema, resolveSettings } from '../../shared/config.ts';
import { BatonError } from '../../shared/errors.ts';

const folder = mkdtempSync(join(tmpdir(), 'baton-test-'));
test.after.always(() => rmSync(folder, { recursive: true }));

const at = (name: string, text?: string): string => {
  const file = join(folder, name);
  if (text !== undefined) writeFileSync(file, text);
  return file;
};

const read = (file: string) => resolveSettings(headSchema, {}, file);

test('what is no file, or is none of settings, is refused at once and in one line', (t) => {
  mkdirSync(at('folder'));
  execFileSync('mkfifo', [at('fifo')]);
  writeFileSync(at('huge'), '');
  truncateSync(at('huge'), 100 * 1024 * 1024);
  symlinkSync('loop', at('loop'));
  for (const [file, problem] of [
    [at('folder'), /not a file that could be read twice$/],
    [at('fifo'), /not a file that could be read twice$/],
    ['/dev/zero', /not a file that could be read twice$/],
    [at('huge'), /longer than 65536 bytes$/],
    [at('loop'), /cannot be read \(ELOOP\)$/],
    [at('missing'), /does not exist$/],
    [at('empty', ''), /JSON/],
    [at('half', '{"policy": "wei'), /JSON/],
    [at('list', '["policy"]'), /not a JSON object$/],
    [
      at('twice', '{"policy": "weighted", "workers": 1, "policy": "round-robin"}'),
      /"policy" is in it twice$/,
    ],
    [at('escaped', '{"policy": "weighted", "p\\u006flicy": "round-robin"}'), /"policy" is in it twice$/],
  ] as const) {
    const began = performance.now();
    const error = t.throws(() => read(file), { instanceOf: BatonError }, file);
    t.is(error.code, 'CONFIG_UNREADABLE', file);
    t.regex(error.message, problem, file);
    t.false(error.message.includes('\n'));
    t.true(performance.now() - began < 2000, file);
  }
});

test('a value that looks like a key is none', (t) => {
  t.is(read(at('like', '{"secret": "\\"policy\\":", "policy": "policy"}')).secret, '"policy":');
});

test('what a large file costs is bounded by what is read of it', (t) => {
  const text = `{"secret": "${'\\"'.repeat(30_000)}"}`;
  t.is(read(at('long', text)).secret?.length, 30_000);
});
