export interface Slope {
  /** Of y for each unit of x. */
  readonly slope: number;
  /** Its standard error, as if the deviations from the line were independent. */
  readonly error: number;
}

/** The straight line through the points with the least squares of deviations in y; undefined for fewer than three x. */
export function fitSlope(points: readonly (readonly [x: number, y: number])[]): Slope | undefined {
  const count = points.length;
  if (new Set(points.map(([x]) => x)).size < 3) return undefined;
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / count;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / count;
  const spreadX = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  const slope = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0) / spreadX;
  const rest = points.reduce((sum, [x, y]) => sum + (y - meanY - slope * (x - meanX)) ** 2, 0);
  return { slope, error: Math.sqrt(rest / (count - 2) / spreadX) };
}
