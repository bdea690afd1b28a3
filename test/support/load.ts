/** Visits at a steady pace from this process, each on a connection of its own; what became of each is kept. */
import { setTimeout as delay } from 'node:timers/promises';
import { sendAndFollow } from './raw-client.ts';

export interface Visit {
  /** Status of the last answer; 0 when there was none. */
  readonly status: number;
  readonly body: string;
  readonly error: string;
  readonly millis: number;
  /** Milliseconds of performance.now(). */
  readonly beganAt: number;
}

/** Visits `target` `count` times, `perSecond` begun each second whatever becomes of the earlier ones. */
export async function visitSteadily(
  address: string,
  target: string,
  { count, perSecond, timeoutMs }: { count: number; perSecond: number; timeoutMs?: number },
): Promise<Visit[]> {
  const began = performance.now();
  const visits: Promise<Visit>[] = [];
  for (let i = 0; i < count; i++) {
    const early = began + (i * 1000) / perSecond - performance.now();
    if (early > 0) await delay(early);
    visits.push(visit(address, target, timeoutMs));
  }
  return await Promise.all(visits);
}

export async function visit(address: string, target: string, timeoutMs = 15_000): Promise<Visit> {
  const began = performance.now();
  const request = `GET ${target} HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n`;
  try {
    const { status, rest } = await sendAndFollow(address, request, { timeoutMs });
    return { status, body: rest.toString(), error: '', millis: performance.now() - began, beganAt: began };
  } catch (error) {
    return {
      status: 0,
      body: '',
      error: (error as Error).message,
      millis: performance.now() - began,
      beganAt: began,
    };
  }
}

export const failed = (visits: readonly Visit[]): Visit[] => visits.filter(({ status }) => status !== 200);
