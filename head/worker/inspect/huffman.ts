/** The Huffman code of HPACK (RFC 7541 section 5.2 and appendix B). It is canonical: the lengths of its codes say all. */

// biome-ignore format: sixteen a line.
const LENGTHS = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
  28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
  5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
  6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
  24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
  21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
  26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
  30,
];
const END_OF_STRING = 256;
const LONGEST = 30;

/** Symbols by length and then by number, as their codes follow each other. */
const symbols = LENGTHS.map((_, symbol) => symbol).sort((a, b) => LENGTHS[a]! - LENGTHS[b]! || a - b);
/** By length: the first code that has it, where its symbol is, and how many have it. */
const first = new Float64Array(LONGEST + 1);
const firstAt = new Uint16Array(LONGEST + 1);
const counts = new Uint16Array(LONGEST + 1);
for (const length of LENGTHS) counts[length]!++;
for (let length = 1, code = 0, at = 0; length <= LONGEST; length++) {
  first[length] = code;
  firstAt[length] = at;
  at += counts[length]!;
  code = (code + counts[length]!) * 2;
}

/** The text, a character for each byte, of the code from `start` to `end`; undefined where it is none. */
export function decodeHuffman(bytes: Uint8Array, start: number, end: number): string | undefined {
  let text = '';
  let code = 0;
  let length = 0;
  for (let at = start; at < end; at++) {
    for (let bit = 7; bit >= 0; bit--) {
      code = code * 2 + ((bytes[at]! >> bit) & 1);
      length++;
      const index = code - first[length]!;
      if (index >= counts[length]!) continue;
      const symbol = symbols[firstAt[length]! + index]!;
      if (symbol === END_OF_STRING) return undefined;
      text += String.fromCharCode(symbol);
      code = length = 0;
    }
  }
  // What is left is filled up with ones, and shorter than a byte.
  return length < 8 && code === 2 ** length - 1 ? text : undefined;
}
