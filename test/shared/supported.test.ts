/** One list of the versions of Node.js that Baton runs on, and all that names them agrees with it. */
import { readFile } from 'node:fs/promises';
import test from 'ava';
import { isSupported, nodeRange, supportedNodes, whyUnsupported } from '../../shared/supported.ts';

const read = (file: string) => readFile(new URL(`../../${file}`, import.meta.url), 'utf8');

test('the manifest and the README name the versions of the list', async (t) => {
  const { engines } = JSON.parse(await read('package.json')) as { engines: { node: string } };
  t.is(engines.node, nodeRange);
  const shown = supportedNodes.map((release) => release.replace(/\.0$/, ''));
  t.true((await read('README.md')).includes(`Node.js ${shown.slice(0, -1).join(', ')} or ${shown.at(-1)}`));
});

test('versions are compared as npm compares them', (t) => {
  for (const version of ['22.20.0', '22.21.1', '24.12.0', '26.0.0', '26.4.1', '27.1.0'])
    t.is(whyUnsupported(version), undefined, version);
  for (const version of ['18.20.8', '20.20.2', '22.19.9', '23.5.0', '24.11.1', '25.9.0'])
    t.false(isSupported(version), version);
});

test('who has another one is told which to get, in one line', (t) => {
  t.regex(whyUnsupported('20.20.2')!, /^Baton needs Node\.js 22\.20, 24\.12 or 26 .* this is 20\.20\.2; .*$/);
});
