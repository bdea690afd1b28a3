/** The steering program and its tables, loaded into the kernel. The caller closes the fds. Throw SystemError. */
import { linkMaps } from '../../shared/bpf/object.ts';
import * as bpf from '../../shared/sys/bpf.ts';
import { closeFd } from '../../shared/sys/sockets.ts';
import * as layout from './flow.ts';
import { readSteeringObject } from './object.ts';

export const PROGRAM = 'baton_steer';

export const createFlows = (capacity: number) =>
  bpf.createHashMap(layout.FLOWS, layout.KEY_SIZE, layout.FLOW_SIZE, capacity);

/**
 * With a table of fragments of its own: what an earlier program had in its is over within moments. And with a word of its own on
 * what nobody knows, which its head gives anew and again.
 */
export function loadProgram(flowsFd: number): { programFd: number; unknownFd: number } {
  const fragmentsFd = bpf.createLruHashMap(
    'fragments',
    layout.DATAGRAM_SIZE,
    layout.WAY_SIZE,
    layout.DATAGRAMS,
  );
  let unknownFd: number | undefined;
  try {
    unknownFd = bpf.createArrayMap('unknown', layout.UNKNOWN_SIZE, 1);
    const fds = { flows: flowsFd, fragments: fragmentsFd, unknown: unknownFd };
    return { programFd: bpf.loadClassifier(PROGRAM, linkMaps(readSteeringObject(), fds)), unknownFd };
  } catch (error) {
    if (unknownFd !== undefined) closeFd(unknownFd);
    throw error;
  } finally {
    // The program has it.
    closeFd(fragmentsFd);
  }
}
