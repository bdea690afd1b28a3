/**
 * `npm run suites`: other people's tests with a head before each of their servers, `npm run suites -- node ws`,
 * `npm run suites -- koa --from DIR`. docs/suites.md tells how it works and which differences are expected. The last line is
 * `N passed, N failed, N skipped`; exits with 1 when a test fails that passes directly and is not expected to. A suite that
 * is not available is told of and is no failure, unless --from names its folder.
 */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { execa } from 'execa';
import { BatonError } from '../../shared/errors.ts';
import { type Comparison, compare } from './compare.ts';
import { expectedDifferences } from './differences.ts';
import { express, koa, ws } from './frameworks.ts';
import { nodeCore, nodeSecure } from './node-core.ts';
import { obtain } from './obtain.ts';
import type { Outcome, Suite, Way } from './suite.ts';

const suites = [nodeCore, nodeSecure, express, ws, koa];

const fileHere = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** Of what a test that differs has said. */
const SHOWN_LINES = 12;

try {
  process.exitCode = await main();
} catch (error) {
  const known =
    error instanceof BatonError || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS');
  if (!known) throw error;
  console.error(`suites: ${(error as Error).message}`);
  process.exitCode = error instanceof BatonError ? error.exitCode : 2;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { from: { type: 'string' } },
  });
  const chosen = positionals.length > 0 ? positionals.map(find) : suites;
  if (values.from !== undefined && chosen.length !== 1) {
    const problem = 'goes with the name of one suite, whose folder it is';
    throw new BatonError('BAD_OPTION', { option: '--from', problem, value: values.from });
  }
  const totals = { passed: 0, failed: 0, skipped: 0 };
  for (const suite of chosen) {
    const obtained = await obtain(suite, values.from);
    if ('missing' in obtained) {
      console.log(`${suite.name}: not run: ${obtained.missing}`);
      if (values.from !== undefined) totals.failed++;
      continue;
    }
    console.log(`${suite.name}: ${suite.about}, in ${obtained.directory}`);
    const expected = expectedDifferences[suite.name]!;
    const comparison = await withHeads(suite, async (through) => {
      const { directory } = obtained;
      const result = await compare(suite, { directory, through, onOutcome: progress }, expected);
      tell(result, expected);
      return result;
    });
    totals.passed += comparison.passed;
    totals.failed += comparison.unexpected.length + comparison.unfounded.length;
    totals.skipped += comparison.skipped + comparison.failDirectly.length + comparison.expected.length;
  }
  console.log(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
  return totals.failed > 0 ? 1 : 0;
}

function find(name: string): Suite {
  const suite = suites.find((one) => one.name === name);
  if (suite) return suite;
  const problem = `the suites are ${suites.map((one) => one.name).join(', ')}`;
  throw new BatonError('BAD_OPTION', { option: 'NAME', problem, value: name });
}

/** A head that fails is a failure of the run, whatever the tests made of it. */
async function withHeads<T>({ lendsAgain }: Suite, use: (through: Way) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'baton-suites-'));
  const socket = join(directory, 'heads.sock');
  const quiet = { BATON_LOG: process.env.BATON_LOG ?? 'silent' };
  const heads = execa(process.execPath, [fileHere('heads.ts'), socket], {
    env: quiet,
    reject: false,
    stderr: ['pipe', 'inherit'],
    // It ends its heads' threads, which takes its time on a busy machine.
    forceKillAfterDelay: 30_000,
  });
  let result: T;
  try {
    await Promise.race([once(heads.stdout, 'data'), heads]);
    result = await use({
      direct: false,
      environment: {
        ...quiet,
        BATON_SUITES_HEADS: socket,
        BATON_SUITES_HEADS_AGAIN: lendsAgain ? '1' : '0',
        NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --import=${fileHere('preload.ts')}`.trim(),
        // Each test is a process that loads the same.
        NODE_COMPILE_CACHE: join(directory, 'compiled'),
      },
    });
  } finally {
    heads.kill('SIGTERM');
    await heads;
    await rm(directory, { recursive: true, force: true });
  }
  const { exitCode, signal, stderr } = await heads;
  if (exitCode === 0) return result;
  const problem = `the heads ended with ${signal ?? exitCode}: ${stderr.split('\n')[0]}`;
  throw new BatonError('LAB_FAILED', { problem });
}

function progress({ test, result }: Outcome): void {
  if (result === 'failed') console.log(`  fails: ${test}`);
}

function tell(
  { passed, skipped, failDirectly, unsteady, expected, unexpected, unfounded }: Comparison,
  reasons: Readonly<Record<string, string>>,
): void {
  console.log(`  ${passed} pass through a head, ${skipped} are skipped by themselves`);
  for (const { test } of failDirectly) console.log(`  fails directly as well: ${test}`);
  for (const { test, detail } of unsteady)
    console.log(`  passes when tried again: ${test}\n${excerpt(detail)}`);
  for (const { test } of expected) console.log(`  differs as expected: ${test} (${reasons[test]})`);
  for (const { test, detail } of unexpected) console.log(`  DIFFERS: ${test}\n${excerpt(detail)}`);
  for (const test of unfounded)
    console.log(`  PASSES, though expected to differ: ${test}; take it off the list`);
}

function excerpt(detail: string): string {
  const lines = detail.trim().split('\n').slice(0, SHOWN_LINES);
  return lines.map((line) => `      ${line}`).join('\n');
}
