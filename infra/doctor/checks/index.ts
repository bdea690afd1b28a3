/** Every check, in the order in which they are shown. */
import type { Check } from '../check.ts';
import { acceptQueue } from './accept-queue.ts';
import { bpffs } from './bpffs.ts';
import { capabilities } from './capabilities.ts';
import { clsact } from './clsact.ts';
import { control } from './control.ts';
import { ecn } from './ecn.ts';
import { flows } from './flows.ts';
import { headCard } from './head-card.ts';
import { iproute } from './iproute.ts';
import { kernel } from './kernel.ts';
import { migrateReq } from './migrate-req.ts';
import { nativeParts } from './native-parts.ts';
import { netem } from './netem.ts';
import { node } from './node.ts';
import { openFiles } from './open-files.ts';
import { portRange } from './port-range.ts';
import { reversePath } from './reverse-path.ts';
import { root } from './root.ts';
import { secret } from './secret.ts';
import { segment } from './segment.ts';
import { silence } from './silence.ts';
import { steeringProgram } from './steering-program.ts';
import { tcpOptions } from './tcp-options.ts';
import { tcpRepair } from './tcp-repair.ts';
import { tools } from './tools.ts';
import { vip } from './vip.ts';

export const checks: readonly Check[] = [
  node,
  nativeParts,
  iproute,
  kernel,
  capabilities,
  tcpRepair,
  steeringProgram,
  bpffs,
  clsact,
  headCard,
  flows,
  vip,
  silence,
  reversePath,
  segment,
  secret,
  control,
  openFiles,
  acceptQueue,
  migrateReq,
  ecn,
  tcpOptions,
  root,
  netem,
  portRange,
  tools,
];
