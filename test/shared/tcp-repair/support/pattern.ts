import { createCipheriv, createHash, type Hash } from 'node:crypto';

/** Bytes that repeat nowhere, the same for one seed: a lost, doubled or swapped segment shows in their digest. */
export const pattern = (seed: number, length: number): Buffer =>
  createCipheriv('aes-128-ctr', Buffer.alloc(16, seed), Buffer.alloc(16)).update(Buffer.alloc(length));

const digest = (hash: Hash) => hash.digest('hex').slice(0, 16);
export const digestOf = (...parts: readonly Uint8Array[]): string => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return digest(hash);
};
