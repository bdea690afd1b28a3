import { setTimeout as delay } from 'node:timers/promises';

/**
 * Asks again and again until the answer satisfies the condition, and returns it; fails with the last answer after
 * `withinMs`. For what no event announces: the state of another process.
 */
export async function until<T>(
  what: string,
  ask: () => T | Promise<T>,
  condition: (answer: T) => boolean,
  withinMs = 15_000,
): Promise<T> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const answer = await ask();
    if (condition(answer)) return answer;
    if (performance.now() > deadline)
      throw new Error(`not in time: ${what}; last: ${JSON.stringify(answer)}`);
    await delay(10);
  }
}
