import { allocate } from '../sys/memory.ts';
import { RECEIVE_QUEUE_MAX, SEND_QUEUE_MAX } from './saved.ts';

/**
 * Where a queue passes between the kernel and JavaScript: one a thread, used within one call, and touched (so backed by
 * memory) only as far as queues were long. One byte more than a queue may have, so that a longer one is seen.
 */
export const queueMemory = allocate(Math.max(RECEIVE_QUEUE_MAX, SEND_QUEUE_MAX) + 1);
