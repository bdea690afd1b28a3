/** Which certificate is for a server's name (RFC 9525 section 6.3: a `*` is one whole label, the first). */

interface Named<T> {
  readonly names: readonly string[];
  readonly value: T;
}

/** Of several for one name the first counts, and an exact name before a `*`. */
export function byName<T>(all: readonly Named<T>[]): (name: string) => T | undefined {
  const exact = new Map<string, T>();
  const wild = new Map<string, T>();
  for (const { names, value } of all) {
    for (const name of names) {
      const [into, key] = name.startsWith('*.') ? [wild, name.slice(2)] : [exact, name];
      if (!into.has(key)) into.set(key, value);
    }
  }
  return (name) => {
    const asked = name.toLowerCase().replace(/\.$/, '');
    return exact.get(asked) ?? wild.get(asked.slice(asked.indexOf('.') + 1));
  };
}
