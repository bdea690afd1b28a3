/** The smallest input that still fails in the same way, as far as leaving parts out and plainer bytes lead to it. */
const ATTEMPTS_MAX = 5000;
const MILLIS_MAX = 20_000;

export async function shrink(
  input: Uint8Array,
  fails: (candidate: Uint8Array) => Promise<boolean>,
): Promise<Uint8Array> {
  let smallest = input;
  let attempts = 0;
  const until = performance.now() + MILLIS_MAX;
  const attempt = async (candidate: Uint8Array): Promise<boolean> => {
    if (attempts++ >= ATTEMPTS_MAX || performance.now() > until || !(await fails(candidate))) return false;
    smallest = candidate;
    return true;
  };
  for (let size = smallest.length; size > 0; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < smallest.length; ) {
      const without = Buffer.concat([smallest.subarray(0, at), smallest.subarray(at + size)]);
      if (!(await attempt(without))) at += size;
    }
  }
  for (let at = 0; at < smallest.length; at++) {
    for (const plainer of [0x61, 0x20, 0]) {
      if (smallest[at] === plainer) break;
      const candidate = Uint8Array.from(smallest);
      candidate[at] = plainer;
      if (await attempt(candidate)) break;
    }
  }
  return smallest;
}
