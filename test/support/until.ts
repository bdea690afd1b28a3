import { setTimeout as delay } from 'node:timers/promises';

/**
 * Asks again and again until the answer satisfies the condition, and returns it; fails with the last answer after
 * `withinMs`. For what no event announces: the state of another process. Late by a twentieth of the time at most, or 10 ms.
 */
export async function until<T>(
  what: string,
  ask: () => T | Promise<T>,
  condition: (answer: T) => boolean,
  withinMs = 15_000,
): Promise<T> {
  const begun = performance.now();
  for (;;) {
    const answer = await ask();
    if (condition(answer)) return answer;
    const waited = performance.now() - begun;
    if (waited > withinMs) throw new Error(`not in time: ${what}; last: ${JSON.stringify(answer)}`);
    // To ask a head and to answer takes 2 ms of CPU, which what is awaited may need.
    await delay(Math.min(Math.max(waited / 20, 10), 30));
  }
}
