#!/usr/bin/env node
/** The command line, of which nothing is loaded where Node.js is too old for it. */
import { whyUnsupported } from '../../shared/supported.ts';

const problem = whyUnsupported(process.versions.node);
if (problem === undefined) {
  const given = process.argv.slice(2);
  const quick = given.includes('--ready') ? await import('./ready.ts') : undefined;
  const admin = quick?.readyArguments(given);
  if (admin === undefined) await (await import('./run.ts')).run(given);
  else await quick!.tellReady(admin);
} else {
  process.stderr.write(`baton: ${problem}\n`);
  process.exitCode = 1;
}
