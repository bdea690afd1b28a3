/** Starts programs that run until they are stopped. What still runs when this process ends is killed then. */
import { createInterface } from 'node:readline';
import { execa } from 'execa';
import { BatonError } from '../../shared/errors.ts';

const STOP_WITHIN_MS = 5000;
/** Of a program's log, kept to explain why it ended. */
const KEPT_LOG = 64 * 1024;
const CRASH_LINES = 40;

const running = new Set<{ kill(signal: 'SIGKILL'): boolean }>();
/** The last resort that leaves nothing behind when the process that started them ends early. */
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/**
 * Processes that were ended by SIGKILL, by who wanted that and because they had not ended within the bound; and of those that were
 * ended by any signal what they said last.
 */
export const killed = {
  atOnce: new Set<number>(),
  late: new Set<number>(),
  lastWords: new Map<number, string>(),
};

export interface LaunchOptions {
  /** What a message calls it. */
  readonly name: string;
  readonly stdin?: 'ignore' | 'pipe';
  /** What is thrown when it does not do as it should. Default LAB_FAILED. */
  readonly failure?: (name: string, problem: string) => BatonError;
}

/**
 * Each child leads a process group of its own, so that Ctrl-C in a terminal reaches only the process that started them, which
 * then ends them in order.
 */
const start = ([program, ...args]: readonly string[], stdin: 'ignore' | 'pipe') =>
  execa(program!, args, {
    detached: true,
    cleanup: false,
    // Who sends a signal says what follows: a delivery that drains may take longer than five seconds.
    forceKillAfterDelay: false,
    reject: false,
    stdin,
    buffer: { stdout: false, stderr: false },
  });

type Child = ReturnType<typeof start>;
export type Ending = Awaited<Child>;

export interface Launched {
  readonly child: Child;
  readonly ended: Promise<Ending>;
  /** The end of what it wrote to its standard error. */
  log(): string;
  /** `condition`, unless the program ends first or takes too long; `condition` is told when either is over. */
  within<T>(condition: (over: AbortSignal) => Promise<T>, withinMs: number): Promise<T>;
  /** Its first line, which must be JSON. What it prints after it is read, so that it does not stop at a full pipe. */
  readyLine(withinMs: number): Promise<Record<string, unknown>>;
  /** The last line that it has printed, if it was asked for its ready line. */
  lastLine(): string;
  /** SIGTERM, then SIGKILL when it has not ended within the bound. Settles when it is gone; may be called again. */
  stop(): Promise<Ending>;
}

const labFailed = (name: string, problem: string) =>
  new BatonError('LAB_FAILED', { problem: `${name} ${problem}` });

export function launch(
  command: readonly string[],
  { name, stdin = 'ignore', failure = labFailed }: LaunchOptions,
): Launched {
  const child = start(command, stdin);
  running.add(child);
  const ended = child.finally(() => running.delete(child));
  const log = keepTail(child.stderr);
  let stopping: Promise<Ending> | undefined;
  void ended.then((ending) => {
    if (ending.signal) killed.lastWords.set(child.pid!, why(ending, lastLines(log())));
  });

  async function within<T>(condition: (over: AbortSignal) => Promise<T>, withinMs: number): Promise<T> {
    const over = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const problem = `was not ready within ${withinMs / 1000} s`;
      timer = setTimeout(() => reject(failure(name, problem)), withinMs);
    });
    const gone = ended.then((ending) => {
      throw failure(name, `ended before it was ready (${why(ending, log())})`);
    });
    try {
      return await Promise.race([condition(over.signal), gone, late]);
    } finally {
      clearTimeout(timer);
      over.abort();
    }
  }

  let last = '';
  return {
    child,
    ended,
    log,
    within,
    async readyLine(withinMs) {
      const lines = createInterface({ input: child.stdout! });
      lines.on('line', (line) => {
        last = line;
      });
      const first = await within(
        () => new Promise<string>((resolve) => lines.once('line', resolve)),
        withinMs,
      );
      try {
        return JSON.parse(first) as Record<string, unknown>;
      } catch {
        throw failure(name, `did not say that it is ready, but: ${first.slice(0, 200)}`);
      }
    },
    lastLine: () => last,
    stop() {
      stopping ??= end();
      return stopping;
    },
  };

  async function end(): Promise<Ending> {
    child.kill('SIGTERM');
    // A stopped process sees no SIGTERM.
    child.kill('SIGCONT');
    const timer = setTimeout(() => {
      if (child.kill('SIGKILL')) killed.late.add(child.pid!);
    }, STOP_WITHIN_MS);
    const ending = await ended;
    clearTimeout(timer);
    return ending;
  }
}

/** Who crashes says why first, and then where, a line a call; in one line. */
const lastLines = (log: string): string => log.trim().split('\n').slice(-CRASH_LINES).join(' | ');

/** How it ended, and the last that it said. */
export function why(ending: Ending, log: string): string {
  const last = log.trim().split('\n').at(-1) ?? '';
  const end = ending.signal ? `ended by ${ending.signal}` : `exit code ${ending.exitCode ?? '?'}`;
  return last === '' ? end : `${end}: ${last}`;
}

function keepTail(stream: NodeJS.ReadableStream | null): () => string {
  let text = '';
  stream?.setEncoding('utf8').on('data', (part: string) => {
    text = (text + part).slice(-KEPT_LOG);
  });
  return () => text;
}
