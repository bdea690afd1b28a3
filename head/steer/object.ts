/** The steering program as it is beside this file, in a checkout and in the package. */
import { type BpfObject, readBpfObject } from '../../shared/bpf/object.ts';

const compiled = new URL('steer.bpf.o', import.meta.url);

export const readSteeringObject = (file: string | URL = compiled): BpfObject => readBpfObject(file, 'tc');
