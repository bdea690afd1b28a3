/** A lab in which connections move between `d1`, on a host of its own, and `l1`, at the head. */
import type { LabDelivery } from '../../infra/lab/lab.ts';
import { type LabForTests, startTestLab } from './netns-lab.ts';

export interface MovingLab extends LabForTests {
  readonly d1: LabDelivery;
  readonly l1: LabDelivery;
  /** Drains the others. */
  only(...names: string[]): Promise<void>;
}

export async function startMovingLab(): Promise<MovingLab> {
  const lab = await startTestLab({
    deliveries: 1,
    local: 1,
    headArguments: ['--workers', '1', '--adopt-timeout', '1s', '--stall-timeout', '2s', '--flows', '4096'],
  });
  const called = (wanted: string) => lab.deliveries.find(({ name }) => name === wanted)!;
  return Object.assign(lab, {
    d1: called('d1'),
    l1: called('l1'),
    async only(...names: string[]) {
      for (const { name } of lab.deliveries) await lab.head.drain(name, !names.includes(name));
    },
  });
}
