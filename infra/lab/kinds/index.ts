import type { LabKind } from './kind.ts';
import { loopback } from './loopback.ts';
import { netns } from './netns.ts';
import { vagrant } from './vagrant.ts';

/** One line a kind of lab; the first is the one that nobody has to ask for. */
export const labKinds: readonly [LabKind, ...LabKind[]] = [loopback, netns, vagrant];
