import type { Server } from 'node:net';

/** Gives `server` a method of its own; the answer takes it away again, unless somebody else has covered it since. */
export function cover(
  server: Server,
  name: string,
  method: (this: Server, ...rest: never[]) => unknown,
): () => void {
  const before = Object.getOwnPropertyDescriptor(server, name);
  Object.defineProperty(server, name, {
    value: method,
    configurable: true,
    writable: true,
    enumerable: false,
  });
  return () => {
    if (Object.getOwnPropertyDescriptor(server, name)?.value !== method) return;
    if (before) Object.defineProperty(server, name, before);
    else delete (server as unknown as Record<string, unknown>)[name];
  };
}
