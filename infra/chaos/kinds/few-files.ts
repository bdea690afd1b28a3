import { readdirSync } from 'node:fs';
import { runTool } from '../../processes/tool.ts';
import type { Kind } from './kind.ts';
import { processOf } from './processes.ts';

/** It may open hardly a file more than it has. */
export const fewFiles: Kind = {
  draws: ({ heads, deliveries }) => [
    [2, ({ one, between }) => ({ target: one(deliveries), lasts: between(200, 3000) })],
    [1, ({ one, between }) => ({ target: one(heads), lasts: between(200, 2000) })],
  ],
  make({ target }, world) {
    const { pid } = processOf(target, world);
    let before = '';
    const limit = async (soft: string) => {
      await runTool(['prlimit', '--pid', String(pid), `--nofile=${soft}:`], 'util-linux');
    };
    return {
      pid,
      async begin() {
        const args = ['prlimit', '--pid', String(pid), '--nofile', '--output=SOFT', '--noheadings'] as const;
        before = (await runTool([...args], 'util-linux')).stdout.trim();
        const open = readdirSync(`/proc/${pid}/fd`).map(Number);
        await limit(String(Math.max(...open) + 2));
      },
      end: () => limit(before),
    };
  },
};
