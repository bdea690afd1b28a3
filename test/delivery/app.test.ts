import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { loadApp } from '../../delivery/app.ts';

const folder = mkdtempSync(join(tmpdir(), 'baton-apps-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, source: string): string {
  const file = join(folder, `${name}.mjs`);
  writeFileSync(file, source);
  return file;
}

test('an application is its default export, and what its module has for upgraded connections', async (t) => {
  const plain = await loadApp(write('plain', 'export default () => {};'));
  t.is(typeof plain.serve, 'function');
  t.is(plain.upgrade, undefined);
  t.is(plain.onMove, undefined);
  const more =
    'export default () => {}; export const upgrade = () => {}, onMove = () => 7, onMoved = () => {};';
  const full = await loadApp(write('full', more));
  t.is(typeof full.upgrade, 'function');
  t.is(full.onMove?.(undefined as never), 7);
  t.is(typeof full.onMoved, 'function');
});

test('a module that is no application is refused with what is wrong with it', async (t) => {
  for (const [source, problem] of [
    ['export default 1;', /its default export is not a function/],
    ['export const onMove = () => {};', /its default export is not a function/],
    ['export default () => {}; export const onMove = 1;', /its export onMove is not a function/],
    ['export default () => {}; export const upgrade = {};', /its export upgrade is not a function/],
    ['throw new Error("first\\nsecond");', /first$/m],
  ] as const) {
    const error = await t.throwsAsync(loadApp(write(`bad${Math.random()}`, source)), {
      code: 'APP_UNUSABLE',
    });
    t.regex(error!.message, problem);
  }
});
