#!/usr/bin/env node
/** The command line, of which nothing is loaded where Node.js is too old for it. */
import { extname, join } from 'node:path';
import { whyUnsupported } from '../../shared/supported.ts';

const problem = whyUnsupported(process.versions.node);
if (problem === undefined) {
  // From a checkout Node would strip the types of the same files again: half of the time that a head takes to start. A
  // package has none, and writes nothing beside itself.
  if (extname(import.meta.url) === '.ts')
    (await import('node:module')).enableCompileCache(
      join(import.meta.dirname, '../../node_modules/.cache/baton'),
    );
  const { run } = await import('./run.ts');
  await run(process.argv.slice(2));
} else {
  process.stderr.write(`baton: ${problem}\n`);
  process.exitCode = 1;
}
