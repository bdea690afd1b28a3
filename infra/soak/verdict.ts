/** What a soak's figures say. */
import { fitSlope } from '../statistics/slope.ts';
import { type Happened, unexplained } from './faults.ts';
import { type HeadSample, isIdle } from './sample.ts';
import type { FailedVisit } from './visitors-main.ts';

export interface Soaked {
  /** Nobody has visited yet, and nobody visits any more. */
  readonly before: HeadSample;
  readonly after: HeadSample;
  /** While they visited. */
  readonly samples: readonly HeadSample[];
  readonly failed: readonly FailedVisit[];
  readonly happened: readonly Happened[];
  /** What broke the run itself. */
  readonly broken: readonly string[];
}

export interface Judged {
  readonly question: string;
  /** Undefined: the run was too short to say. */
  readonly holds: boolean | undefined;
  readonly figure: string;
}

const HOUR_MS = 3_600_000;
/** What is compiled, cached and grown to its size is so by then; of a shorter run a third is left out. */
const WARM_UP_MS = HOUR_MS;
/** Garbage comes and goes within minutes: less than this says nothing about an hour. */
const JUDGED_AT_LEAST_MS = HOUR_MS / 2;
/** MB. */
const SLOPE_MAX = 1;
/** What a process opens once when it first needs it, and keeps: the socket through which it asks the kernel, say. */
const OPENED_ONCE = 5;

export function judge(soaked: Soaked): Judged[] {
  const { before, after, samples, failed, happened, broken } = soaked;
  const uneven = [before, ...samples, after].filter(({ uncounted }) => uncounted !== 0);
  const strange = unexplained(failed, happened);
  return [
    judgeMemory(samples),
    {
      question: 'No file stays open',
      holds: after.fds <= before.fds + OPENED_ONCE,
      figure: `${before.fds} before the visits, ${after.fds} after them`,
    },
    {
      question: 'Nothing of a visit is left',
      holds: isIdle(after),
      figure: `${after.open} open, ${after.lingering} lingering, ${after.inUse} at deliveries, ${after.flows} flows`,
    },
    {
      question: 'The counters are even: accepted = open + all outcomes',
      holds: uneven.length === 0,
      figure: `${uneven.length} of ${samples.length + 2} readings were not; ${after.accepted} accepted`,
    },
    {
      question: 'Only visits failed that the tables of faults allow to',
      holds: strange.length === 0,
      figure: `${failed.length} failed, ${strange.length} of them by no fault that may cost them`,
    },
    {
      question: 'Every fault came about and was mended',
      holds: broken.length === 0,
      figure: broken.length === 0 ? `${happened.length} faults` : broken.join('; '),
    },
  ];
}

/** Milliseconds since 1970: from here on its memory is looked at. */
const warmFrom = (first: number, last: number): number => first + Math.min(WARM_UP_MS, (last - first) / 3);

function judgeMemory(samples: readonly HeadSample[]): Judged {
  const question = `The head's memory is level: less than ${SLOPE_MAX} MB an hour after the warm-up`;
  const [first, last] = [samples[0]?.at ?? 0, samples.at(-1)?.at ?? 0];
  const warm = warmFrom(first, last);
  const points = samples
    .filter(({ at }) => at >= warm)
    .map(({ at, residentBytes }) => [at / HOUR_MS, residentBytes / 1e6] as const);
  const fitted = fitSlope(points);
  if (!fitted) return { question, holds: undefined, figure: 'too few readings' };
  const { slope, error } = fitted;
  const minutes = (last - warm) / 60_000;
  return {
    question,
    holds: last - warm < JUDGED_AT_LEAST_MS ? undefined : slope < SLOPE_MAX,
    figure: `${slope.toFixed(2)} ± ${error.toFixed(2)} MB an hour over the last ${minutes.toFixed(0)} minutes, ${points.at(-1)![1].toFixed(1)} MB at the end`,
  };
}
