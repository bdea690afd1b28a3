import { tcpSocketFor } from '../sys/endpoints.ts';
import { closeFd } from '../sys/sockets.ts';
import { enterRepair } from '../sys/tcp-repair.ts';
import { type Refusal, refusalOf } from './refusal.ts';

/** Whether this process may freeze and restore connections of its network namespace; found by trying on a new socket. */
export function canRepair(): true | Refusal {
  const fd = tcpSocketFor({ address: new Uint8Array(4), port: 0 });
  if (fd < 0) return refusalOf('socket', fd);
  const result = enterRepair(fd);
  closeFd(fd);
  return result < 0 ? refusalOf('TCP_REPAIR', result) : true;
}
