import type { Converse } from './conversation.ts';
import { conversePlainly, converseSecurely } from './http1.ts';
import type { Target } from './target.ts';

/** What is spoken to which target; loaded only where it is needed. */
export async function speech(
  http2: boolean,
  targets: readonly Target[],
): Promise<(target: Target) => Converse> {
  const talks = targets.some(({ websocket }) => websocket);
  const byWebSocket = talks ? (await import('./websocket.ts')).converseByWebSocket : undefined;
  const byHttp2 = http2 ? (await import('./http2.ts')).converseByHttp2 : undefined;
  // No redirect leads to a WebSocket.
  return ({ secure, websocket }) =>
    websocket ? byWebSocket! : (byHttp2 ?? (secure ? converseSecurely : conversePlainly));
}
