/** Reading what people write: durations, sizes and HOST:PORT addresses. Each returns undefined for what it cannot read. */

const durations: Record<string, number> = { us: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** `250ms`, `10s`, `1.5m`, or a bare number of milliseconds -> milliseconds. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*(us|ms|s|m|h)?$/.exec(text.trim());
  return match ? Number(match[1]) * durations[match[2] ?? 'ms']! : undefined;
}

const sizes: Record<string, number> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/** `16k`, `64m`, `1g` (powers of 1024, an optional `B` or `iB` after it), or a bare number of bytes -> bytes. */
export function parseBytes(text: string): number | undefined {
  const match = /^(\d+)\s*([kmg]?)(?:i?b)?$/i.exec(text.trim());
  return match ? Number(match[1]) * sizes[match[2]!.toLowerCase()]! : undefined;
}

/** The inverse of parseDuration, in the largest unit that needs no fraction: `250ms`, `10s`, `1h`. */
export function formatDuration(millis: number): string {
  const [unit, size] = Object.entries(durations)
    .filter(([, each]) => millis >= each && Number.isInteger(millis / each))
    .at(-1) ?? ['ms', 1];
  return millis === 0 ? '0' : `${millis / size}${unit}`;
}

/** The inverse of parseBytes, in the largest unit that needs no fraction: `256`, `16k`, `1g`. */
export function formatBytes(bytes: number): string {
  const [unit, size] = Object.entries(sizes)
    .filter(([, each]) => bytes >= each && Number.isInteger(bytes / each))
    .at(-1) ?? ['', 1];
  return `${bytes / size}${unit}`;
}

export interface HostPort {
  /** An IP address or a name, without the brackets of an IPv6 literal. */
  readonly host: string;
  readonly port: number;
}

/** `127.0.0.1:8080`, `[::1]:8080`, `:8080` (any address) or `example.org:80`. Port 0 asks the kernel for one. */
export function parseHostPort(text: string): HostPort | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s/]*)):(\d{1,5})$/.exec(text.trim());
  if (!match) return undefined;
  const port = Number(match[3]);
  if (port > 65535) return undefined;
  return { host: match[1] ?? (match[2] || '0.0.0.0'), port };
}

/** The inverse of parseHostPort; also the authority of a URL (RFC 3986 section 3.2). */
export function formatHostPort({ host, port }: HostPort): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
