import { setTimeout as delay } from 'node:timers/promises';
import type { DeliveryStatus } from '../../../shared/status.ts';
import type { Lab, LabDelivery } from '../../lab/lab.ts';

const WITHIN_MS = 10_000;

/** A head that is new knows deliveries only once they have registered again: waits for all of the lab's. */
export async function allRegistered(lab: Lab): Promise<void> {
  const deadline = performance.now() + WITHIN_MS;
  while (performance.now() < deadline) {
    const known = await Promise.all(lab.heads.map(async (head) => (await head.status()).deliveries));
    if (lab.deliveries.every((delivery) => isUp(delivery, known))) return;
    await delay(20);
  }
}

/** `known`: of each head. Every one knows those that connections move to; one that gets fds is its own host's. */
function isUp({ name, transport }: LabDelivery, known: readonly (readonly DeliveryStatus[])[]): boolean {
  const at = (deliveries: readonly DeliveryStatus[]) =>
    deliveries.some((each) => each.name === name && each.state !== 'down');
  return transport === 'fd' ? known.some(at) : known.every(at);
}
