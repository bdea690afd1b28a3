/**
 * An application with one slot: `/N` takes it N microseconds, and who comes meanwhile waits for those before. When each is over is
 * reckoned, so that a timer's lateness does not add up: it serves exactly 1,000,000 / N requests a second.
 */
import type { RequestListener } from 'node:http';
import { runFirst } from '../../shared/sys/realtime.ts';

// What else the machine does must not take of its time, where that is allowed.
runFirst(20);

let free = 0;

const oneSlot: RequestListener = (request, response) => {
  const now = performance.now();
  free = Math.max(free, now) + Number(request.url!.slice(1)) / 1000;
  const at = free;
  const answer = () => {
    const left = at - performance.now();
    // A timer may be early by less than a millisecond.
    if (left > 0.5) setTimeout(answer, left);
    else response.end('x');
  };
  answer();
};

export default oneSlot;
