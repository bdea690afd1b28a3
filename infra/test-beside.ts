/**
 * `npm run test:beside`, and `test:quick` without the slow ones: the two groups of tests that run beside others, at the same time, five
 * files in all: those with a process for each file, and those that enter network namespaces, in threads. What the second says is shown
 * when it has ended.
 */
import { execa } from 'execa';

/** Those in threads wait for most of their time: two of them leave the processors to the others. */
const atOnce = { processes: '3', threads: '2' } as const;
const given = process.env.BATON_TEST_CONCURRENCY;
const run = (group: keyof typeof atOnce, stdout: 'inherit' | 'pipe') =>
  execa('npm', ['run', '-s', `test:${group}`], {
    env: { BATON_TEST_CONCURRENCY: given ?? atOnce[group], FORCE_COLOR: process.stdout.isTTY ? '1' : '0' },
    stdio: ['inherit', stdout, stdout],
    all: stdout === 'pipe',
    reject: false,
  });

const threads = run('threads', 'pipe');
const { exitCode } = await run('processes', 'inherit');
const { exitCode: ofThreads, all } = await threads;
process.stdout.write(`${all}\n`);
process.exitCode = exitCode || ofThreads || 0;
if (exitCode === undefined || ofThreads === undefined) process.exitCode = 1;
