import type { Comparison } from '../statistics/verdict.ts';
import type { ReportComparison } from './schema.ts';

/** A comparison of figures in microseconds as reports have it; `a` and `b` say what was compared. */
export function reported(found: Comparison, a: string, b: string): ReportComparison {
  return {
    name: found.name,
    a,
    b,
    aMicros: found.a,
    bMicros: found.b,
    differenceMicros: found.difference,
    lowMicros: found.low,
    highMicros: found.high,
    p: found.p,
    verdict: found.verdict,
  };
}
