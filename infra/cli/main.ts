#!/usr/bin/env node
/** The command line, of which nothing is loaded where Node.js is too old for it. */
import { whyUnsupported } from '../../shared/supported.ts';

const problem = whyUnsupported(process.versions.node);
if (problem === undefined) {
  const { run } = await import('./run.ts');
  await run(process.argv.slice(2));
} else {
  process.stderr.write(`baton: ${problem}\n`);
  process.exitCode = 1;
}
