/** The steering program and its tables, loaded into the kernel. The caller closes the fds. Throw SystemError. */
import { linkMaps } from '../../shared/bpf/object.ts';
import * as bpf from '../../shared/sys/bpf.ts';
import { closeFd } from '../../shared/sys/sockets.ts';
import * as layout from './flow.ts';
import { readSteeringObject } from './object.ts';

export const PROGRAM = 'baton_steer';

export const createFlows = (capacity: number) =>
  bpf.createHashMap(layout.FLOWS, layout.KEY_SIZE, layout.FLOW_SIZE, capacity);

/** For a head's word on what nobody knows. */
export const createUnknown = () => bpf.createArrayMap(layout.UNKNOWN, layout.UNKNOWN_SIZE, 1);

/** With a table of fragments of its own: what an earlier program had in its is over within moments. */
export function loadProgram(flowsFd: number, unknownFd: number): number {
  const fragmentsFd = bpf.createLruHashMap(
    'fragments',
    layout.DATAGRAM_SIZE,
    layout.WAY_SIZE,
    layout.DATAGRAMS,
  );
  try {
    const fds = { flows: flowsFd, fragments: fragmentsFd, unknown: unknownFd };
    return bpf.loadClassifier(PROGRAM, linkMaps(readSteeringObject(), fds));
  } finally {
    // The program has it.
    closeFd(fragmentsFd);
  }
}
