/** A port that stays one where nobody listens: a socket has it that does not. One that was let go may be another test's at once. */
import type { ExecutionContext } from 'ava';
import { addressBytes } from '../../shared/addresses.ts';
import { bindTo, type Endpoint, localEndpoint, tcpSocketFor } from '../../shared/sys/endpoints.ts';
import { closeFd } from '../../shared/sys/sockets.ts';

export function refusingPort(t: ExecutionContext, host: string): number {
  const at: Endpoint = { address: addressBytes(host), port: 0 };
  const fd = tcpSocketFor(at);
  t.teardown(() => closeFd(fd));
  t.is(bindTo(fd, at), 0);
  return (localEndpoint(fd) as Endpoint).port;
}
