/** The suites of frameworks: one process each, whose runner says in TAP how each test went. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { BatonError } from '../../shared/errors.ts';
import type { Outcome, RunSuite, Suite } from './suite.ts';
import { readTap } from './tap.ts';

const WITHIN_MS = 120_000;

const framework = (suite: Omit<Suite, 'run'>, command: readonly string[]): Suite => ({
  ...suite,
  lendsAgain: true,
  run: (run) => runFramework(suite.name, command, run),
});

export const express = framework(
  {
    name: 'express',
    about: "Express's own",
    landmark: 'lib/express.js',
    debian: { source: 'node-express', members: [] },
    fits: (version) => version.startsWith('5.'),
  },
  // As its package.json says.
  [
    'node_modules/mocha/bin/mocha.js',
    '--require',
    'test/support/env',
    '--check-leaks',
    'test/',
    'test/acceptance/',
  ],
);

export const ws = framework(
  {
    name: 'ws',
    about: "ws's own",
    landmark: 'lib/websocket-server.js',
    debian: { source: 'node-ws', members: [] },
  },
  // It leaves connections open.
  ['node_modules/mocha/bin/mocha', '--exit', 'test/*.test.js'],
);

export const koa = framework({ name: 'koa', about: "Koa's own", landmark: 'lib/application.js' }, [
  '--test',
  '--test-reporter=tap',
]);

async function runFramework(
  name: string,
  command: readonly string[],
  { directory, way, only, onOutcome }: RunSuite,
): Promise<Outcome[]> {
  await installWhatItNeeds(directory);
  const reporter = command[0]!.includes('mocha') ? ['--reporter', 'tap'] : [];
  const { stdout, stderr, timedOut } = await execa(process.execPath, [...command, ...reporter], {
    cwd: directory,
    env: way.environment,
    reject: false,
    timeout: WITHIN_MS,
    killSignal: 'SIGKILL',
  });
  const outcomes = readTap(stdout);
  if (outcomes.length === 0 || timedOut) {
    const last = stderr.trim().split('\n').at(-1) ?? '';
    const problem = timedOut ? `did not end within ${WITHIN_MS / 1000} s` : `ran no test: ${last}`;
    throw new BatonError('LAB_FAILED', { problem: `the suite of ${name} ${problem}` });
  }
  const wanted = outcomes.filter(({ test }) => only?.has(test) ?? true);
  if (onOutcome) wanted.forEach(onOutcome);
  return wanted;
}

/** Its own development dependencies, from the npm registry; none of their scripts is run. */
async function installWhatItNeeds(directory: string): Promise<void> {
  if (existsSync(join(directory, 'node_modules'))) return;
  await execa('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: directory });
}
