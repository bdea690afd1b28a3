import { fileURLToPath } from 'node:url';

export default {
  files: ['test/**/*.test.ts'],
  extensions: ['ts'],
  require: ['./test/support/leave.ts'],
  timeout: '120s',
  // A test, and what it starts, strips types of no file that has not changed since the last one that did.
  environmentVariables: {
    NODE_COMPILE_CACHE: fileURLToPath(new URL('node_modules/.cache/node', import.meta.url)),
  },
  concurrency: 1,
  // With a process for each file the others go on where native code ends one. Those that enter network namespaces do so with
  // a thread (setns(2)): a process that did would end with its lab.
  workerThreads: process.env.BATON_TEST_PROCESSES === undefined,
  // The long ones first, so that at the end no processor waits for one that has only begun.
  sortTestFiles: (a, b) => Number(b.includes('.slow.')) - Number(a.includes('.slow.')),
};
