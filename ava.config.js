export default {
  files: ['test/**/*.test.ts'],
  extensions: ['ts'],
  timeout: '120s',
  concurrency: 1,
  // The long ones first, so that at the end no processor waits for one that has only begun.
  sortTestFiles: (a, b) => Number(b.includes('.slow.')) - Number(a.includes('.slow.')),
};
