import {
  build,
  decodeFromCompressedBase64,
  encodeIntoCompressedBase64,
  type Histogram,
} from 'hdr-histogram-js';

/**
 * Microseconds, three significant digits (a value is off by at most 0.1 %). It starts out holding up to 60 s and grows
 * by itself, so that a visit that was sent very late is neither refused nor clamped. About 75 kB each.
 */
export function createHistogram(): Histogram {
  return build({
    bitBucketSize: 32,
    autoResize: true,
    lowestDiscernibleValue: 1,
    highestTrackableValue: 60_000_000,
    numberOfSignificantValueDigits: 3,
    useWebAssembly: false,
  });
}

/** The standard compressed form (V2 deflate, base64), which every HdrHistogram tool reads. */
export function encodeHistogram(histogram: Histogram): string {
  // The published type of the encoder names its own class; every histogram that build() makes without WebAssembly is one.
  return encodeIntoCompressedBase64(histogram as Parameters<typeof encodeIntoCompressedBase64>[0]);
}

function decodeHistogram(text: string): Histogram {
  return decodeFromCompressedBase64(text, 32, false);
}

/** One histogram of all the values of several, as if they had been recorded together. */
export function mergeHistograms(encoded: readonly string[]): Histogram {
  const merged = createHistogram();
  for (const text of encoded) merged.add(decodeHistogram(text));
  return merged;
}

/** The values that 1/count, 2/count, ... and all of the recorded ones do not exceed. */
export function quantiles(histogram: Histogram, count: number): number[] {
  return Array.from({ length: count }, (_, index) =>
    histogram.getValueAtPercentile((100 * (index + 1)) / count),
  );
}

/**
 * The percentile distribution as text, in milliseconds: the `.hgrm` form that HdrHistogram's plotters read.
 */
export function formatHgrm(encoded: string): string {
  return decodeHistogram(encoded).outputPercentileDistribution(5, 1000);
}

export interface Spread {
  readonly count: number;
  readonly min: number;
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** All zero when nothing was recorded. */
export function spread(histogram: Histogram): Spread {
  const count = histogram.totalCount;
  if (count === 0) return { count, min: 0, mean: 0, p50: 0, p90: 0, p99: 0, p999: 0, max: 0 };
  const at = (percentile: number) => histogram.getValueAtPercentile(percentile);
  return {
    count,
    min: at(0),
    mean: Math.round(histogram.mean),
    p50: at(50),
    p90: at(90),
    p99: at(99),
    p999: at(99.9),
    max: histogram.maxValue,
  };
}
