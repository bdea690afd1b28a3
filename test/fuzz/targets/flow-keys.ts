import { readAddress, writeAddress } from '../../../shared/addresses.ts';
import { endsOfKey, FLOW_KEY_SIZE, flowKey } from '../../../shared/wire/remote/flow-key.ts';
import { same, type Target } from '../target.ts';

/** The names of flows: two hosts and the kernel must understand the same by them. */
export const flowKeys: Target = {
  about: 'the names of flows',
  code: ['shared/wire/remote/flow-key.ts', 'shared/addresses.ts'],
  words: [Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255)],
  longest: FLOW_KEY_SIZE,
  generate: (dice) =>
    Uint8Array.from({ length: FLOW_KEY_SIZE }, (_, at) =>
      at % 16 < 10 && dice.oneIn(2) ? 0 : dice.below(256),
    ),
  check(input) {
    const key = Buffer.alloc(FLOW_KEY_SIZE);
    key.set(input.subarray(0, FLOW_KEY_SIZE));
    const ends = endsOfKey(key);
    same(flowKey(ends), key, 'as it was');
    for (const at of [0, 16]) {
      const text = readAddress(key, at);
      const again = Buffer.alloc(16);
      writeAddress(again, 0, text);
      same(again, key.subarray(at, at + 16), text);
    }
    return `${ends.client.address.length} ${ends.server.address.length}`;
  },
};
