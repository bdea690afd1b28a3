/** Node's own `test/parallel/`, as far as a head has to do with it: each file is a process, and has passed when that ends with 0. */
import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import type { Outcome, RunSuite, Suite, Way } from './suite.ts';

/** The slowest that passes takes some 12 s. */
const WITHIN_MS = 30_000;
/** Those that are expected to fail wait for ever, most of them; directly none takes longer than some 3 s. */
const HOPELESS_WITHIN_MS = 8000;
const KEPT_OUTPUT = 8 * 1024;

const major = process.versions.node.split('.')[0]!;

/** Of those whose names begin with one of `beginnings`. */
const nodeSuite = (name: string, beginnings: readonly string[], landmark: string): Suite => ({
  name,
  about: `Node's own test/parallel/${beginnings.map((beginning) => `${beginning}*`).join(', ')}, of version ${major}`,
  landmark: `test/parallel/${landmark}`,
  debian: {
    source: 'nodejs',
    members: [
      ...beginnings.map((beginning) => `*/test/parallel/${beginning}*`),
      '*/test/common/*',
      '*/test/fixtures/*',
    ],
  },
  fits: (version) => version.startsWith(`${major}.`),
  run: (how) => run(how, beginnings),
});

export const nodeCore = nodeSuite('node', ['test-http-'], 'test-http-client-abort.js');
export const nodeSecure = nodeSuite('secure', ['test-https-', 'test-http2-'], 'test-https-simple.js');

async function run(
  { directory, way, only, hopeless, onOutcome }: RunSuite,
  beginnings: readonly string[],
): Promise<Outcome[]> {
  const isTest = (file: string) =>
    /\.m?js$/.test(file) && beginnings.some((beginning) => file.startsWith(beginning));
  const files = (await readdir(join(directory, 'test/parallel'))).filter(isTest).sort();
  const waiting = files.filter((file) => only?.has(file) ?? true);
  const outcomes: Outcome[] = [];
  const scratch = await mkdtemp(join(tmpdir(), 'baton-suite-'));
  async function work(thread: number): Promise<void> {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const withinMs = hopeless?.has(file) ? HOPELESS_WITHIN_MS : WITHIN_MS;
      const outcome = await runFile(join(directory, 'test/parallel', file), way, {
        scratch,
        thread,
        withinMs,
      });
      outcomes.push(outcome);
      onOutcome?.(outcome);
    }
  }
  try {
    await Promise.all(Array.from({ length: availableParallelism() }, (_, thread) => work(thread)));
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return outcomes;
}

async function runFile(
  path: string,
  way: Way,
  { scratch, thread, withinMs }: { scratch: string; thread: number; withinMs: number },
): Promise<Outcome> {
  const file = basename(path);
  const child = spawn(process.execPath, [...flagsOf(await readFile(path, 'utf8')), path], {
    cwd: join(dirname(path), '../..'),
    // A group of its own, so that what it started ends with it.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      ...way.environment,
      NODE_TEST_DIR: scratch,
      TEST_THREAD_ID: String(thread),
      // The names of globals that are no part of the language: a library may have one.
      NODE_TEST_KNOWN_GLOBALS: '0',
    },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-KEPT_OUTPUT);
    });
  const end = () => {
    try {
      process.kill(-child.pid!, 'SIGKILL');
    } catch {
      // Nothing of it is left.
    }
  };
  const late = setTimeout(end, withinMs);
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve) =>
    child.once('close', (...ended) => resolve(ended)),
  );
  clearTimeout(late);
  end();
  if (code === 0)
    return { test: file, result: /^1\.\.0 # Skipped/m.test(output) ? 'skipped' : 'passed', detail: '' };
  return { test: file, result: 'failed', detail: `${signal ?? `exit code ${code}`}\n${output}` };
}

/** `// Flags: --expose-gc` at its top is what its test runner would start it with. */
function flagsOf(source: string): string[] {
  const flags = /^\/\/ Flags:(.*)$/m.exec(source)?.[1];
  return flags?.trim().split(/\s+/) ?? [];
}
