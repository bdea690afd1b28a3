import { cablePulled } from './cable-pulled.ts';
import { clock } from './clock.ts';
import { drain } from './drain.ts';
import { fewFiles } from './few-files.ts';
import { freeze } from './freeze.ts';
import { hostLost } from './host-lost.ts';
import { kill } from './kill.ts';
import type { Kind } from './kind.ts';
import { linkBad } from './link-bad.ts';
import { linkDown } from './link-down.ts';
import { mode } from './mode.ts';
import { move } from './move.ts';
import { stop } from './stop.ts';
import { upgrade } from './upgrade.ts';
import { upgradeCut } from './upgrade-cut.ts';

/** By the names that schedules have for them. */
export const faultKinds = {
  kill,
  stop,
  freeze,
  fewFiles,
  drain,
  move,
  mode,
  upgrade,
  upgradeCut,
  linkDown,
  linkBad,
  clock,
  cablePulled,
  hostLost,
} satisfies Readonly<Record<string, Kind>>;

export type KindName = keyof typeof faultKinds;
export const kindNames = Object.keys(faultKinds) as [KindName, ...KindName[]];
