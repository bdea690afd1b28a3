/** The experiments' names, for those who need no more of them: the command line's help and completions. */
export const experimentNames = [
  'modes',
  'first-visit',
  'size',
  'storm',
  'session',
  'failure',
  'clients',
  'selfcheck',
] as const;
