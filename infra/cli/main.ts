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
  const given = process.argv.slice(2);
  const quick = given.includes('--ready') ? await import('./ready.ts') : undefined;
  const asked = quick?.readyArguments(given);
  if (asked === undefined) await (await import('./run.ts')).run(given);
  else await quick!.tellReady(asked.admin, asked.forMs);
} else {
  process.stderr.write(`baton: ${problem}\n`);
  process.exitCode = 1;
}
