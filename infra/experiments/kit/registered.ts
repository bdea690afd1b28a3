import { setTimeout as delay } from 'node:timers/promises';
import type { Lab } from '../../lab/lab.ts';

const WITHIN_MS = 10_000;

/** A head that is new knows deliveries only once they have registered again: waits for all of the lab's. */
export async function allRegistered(lab: Lab): Promise<void> {
  const deadline = performance.now() + WITHIN_MS;
  while (performance.now() < deadline) {
    const { deliveries } = await lab.head.status();
    const isUp = (name: string) => deliveries.some((each) => each.name === name && each.state !== 'down');
    if (lab.deliveries.every(({ name }) => isUp(name))) return;
    await delay(20);
  }
}
