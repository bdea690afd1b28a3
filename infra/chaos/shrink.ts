import { halves, type Schedule } from './schedule.ts';

/** A smaller schedule that still fails, by halves, in at most `tries` runs. What fails now and then may not fail again. */
export async function shrink(
  schedule: Schedule,
  fails: (smaller: Schedule) => Promise<boolean>,
  tries: number,
): Promise<Schedule> {
  let smallest = schedule;
  for (let left = tries; left > 0; ) {
    let found: Schedule | undefined;
    for (const half of halves(smallest)) {
      if (left-- <= 0) break;
      if (await fails(half)) {
        found = half;
        break;
      }
    }
    if (!found) return smallest;
    smallest = found;
  }
  return smallest;
}
