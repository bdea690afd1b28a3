/** What a terminal shows of long work: one line that is rewritten, or a plain line for each step where there is none. */

export interface Progress {
  /** How long all steps together are expected to take, in milliseconds. */
  expect(totalMs: number): void;
  /** Shows a step while it runs. `expectedMs` is its share of the whole. */
  during<T>(label: string, expectedMs: number, work: () => Promise<T>): Promise<T>;
  /** Takes the line away, so that what follows starts on an empty one. */
  end(): void;
}

/** The part of a terminal that is needed; process.stderr is one. */
export interface Screen {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** `laterMs` is what comes after all of these steps, and is part of the time that is left. */
export function createProgress(screen: Screen, laterMs = 0): Progress {
  const tty = screen.isTTY === true;
  let total = 0;
  let past = 0;
  const show = (label: string, doneMs: number) => {
    const share = total > 0 ? Math.min(1, doneMs / total) : 0;
    // Nothing is said before anybody knows, nor once it takes longer than it was expected to.
    const leftMs = total === 0 ? 0 : Math.max(0, total - doneMs) + laterMs;
    const left = leftMs === 0 ? '' : formatLeft(leftMs);
    if (!tty) {
      screen.write(`${left === '' ? label : `${label}, ${left}`}\n`);
      return;
    }
    const filled = Math.round(share * 24);
    const bar = '█'.repeat(filled) + '░'.repeat(24 - filled);
    screen.write(`\r\x1b[K${`${bar} ${left.padStart(9)}  ${label}`.slice(0, (screen.columns ?? 80) - 1)}`);
  };
  return {
    expect(totalMs) {
      total = totalMs;
      past = 0;
    },
    async during(label, expectedMs, work) {
      const began = performance.now();
      const current = () => past + Math.min(performance.now() - began, expectedMs);
      show(label, past);
      const timer = tty ? setInterval(() => show(label, current()), 200) : undefined;
      try {
        return await work();
      } finally {
        clearInterval(timer);
        past += expectedMs;
      }
    },
    end() {
      if (tty) screen.write('\r\x1b[K');
    },
  };
}

/** `90 s left`, `2 min 0 s left` */
export function formatLeft(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  if (seconds < 120) return `${seconds} s left`;
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s left`;
}
