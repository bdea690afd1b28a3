import { z } from 'zod';
import { upgradeHead } from '../../admin-client.ts';
import { action, ownLabOnly } from './action.ts';

const wants = z.object({});
/** So long nobody answers, milliseconds: what deliveries and clients make of that is what a person wants to see. */
const AWAY_MS = 2000;

/** SIGKILL, and the same again after a while. */
export const killHead = action({
  name: 'kill-head',
  wants,
  targets: () => [{ key: '', to: {} }],
  hindrance: (director) => (director.stage.lab ? director.headIsThere : ownLabOnly('the head')),
  async act(director) {
    director.tell('killed', 'head killed');
    await director.stage.lab!.head.restart('kill', { awayMs: AWAY_MS });
    await director.goAgain();
    return 'head started again';
  },
});

/** Another process takes over; nobody notices. */
export const upgrade = action({
  name: 'upgrade-head',
  wants,
  targets: () => [{ key: '', to: {} }],
  hindrance: (director) => director.headIsThere,
  async act(director) {
    const { lab, admin } = director.stage;
    if (lab) await lab.head.upgrade();
    else await upgradeHead(admin);
    return 'head upgraded';
  },
});
