export default {
  files: ['test/**/*.test.ts'],
  extensions: ['ts'],
  timeout: '120s',
  concurrency: 1,
  // A process for each file: where native code ends one, the other files go on.
  workerThreads: false,
  // The long ones first, so that at the end no processor waits for one that has only begun.
  sortTestFiles: (a, b) => Number(b.includes('.slow.')) - Number(a.includes('.slow.')),
};
