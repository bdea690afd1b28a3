/** Signals that end a process which does not listen to them. */

/** People and supervisors stop a program with these, and mean it when they say it twice. */
export const stopSignals = ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const;

/**
 * A terminal that closes, `timeout -s`, a watcher of files, a power supply: none is a word that Baton knows, so that its
 * programs stop in order, and terminals may say it twice. SIGUSR1 is Node's own (its inspector), SIGPROF belongs to V8's profiler,
 * SIGPIPE and SIGXFSZ are ignored by Node; the others of signal(7) tell of a fault of the program, and a core of it is wanted.
 */
export const otherSignals = [
  'SIGHUP',
  'SIGALRM',
  'SIGUSR2',
  'SIGVTALRM',
  'SIGIO',
  'SIGPWR',
  'SIGSTKFLT',
  'SIGXCPU',
] as const;
