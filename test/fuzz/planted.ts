/** A reader with a fault behind four bytes that must be right one after the other: chance alone does not come there. */
export function readPlanted(bytes: Uint8Array): string {
  if (bytes[0] !== 0x42) return 'first';
  if (bytes[1] !== 0x61) return 'second';
  if (bytes[2] !== 0x74) return 'third';
  if (bytes[3] !== 0x6f) return 'fourth';
  throw new Error('the planted fault');
}
