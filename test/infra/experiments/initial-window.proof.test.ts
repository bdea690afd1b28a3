/** A larger initial window is on every route of those who answer, and gone again. */
import { setInitialWindow } from '../../../infra/experiments/initial-window/route.ts';
import type { Lab } from '../../../infra/lab/lab.ts';
import { asRoot, startNetwork } from '../../support/netns.ts';

asRoot()(
  'every route of the servers says the initial window, and what else it said; then it does not',
  async (t) => {
    const network = await startNetwork(t, 1);
    const [head, d1, client] = ['head', 'd1', 'client'].map((name) => network.host(name)) as [
      ReturnType<typeof network.host>,
      ReturnType<typeof network.host>,
      ReturnType<typeof network.host>,
    ];
    const lab = { heads: [{ host: head }], deliveries: [{ host: d1 }, { host: head }] } as unknown as Lab;
    const routes = () =>
      Promise.all([head, d1, client].map((host) => host.run(['ip', '-4', 'route', 'show'])));
    await d1.run(['ip', 'route', 'add', 'default', 'via', head.address, 'initcwnd', '12']);
    const before = await routes();
    const plain = before.map((text) => text.replace(/ initcwnd \d+/g, ''));
    for (const window of [46, 20]) {
      await setInitialWindow(lab, window);
      const [atHead, atDelivery, atClient] = await routes();
      for (const text of [atHead!, atDelivery!])
        for (const line of text.trimEnd().split('\n')) t.regex(line, new RegExp(` initcwnd ${window}\\b`));
      t.deepEqual(
        [atHead, atDelivery].map((text) => text!.replace(/ initcwnd \d+/g, '')),
        plain.slice(0, 2),
      );
      t.is(atClient, before[2]!);
    }
    await setInitialWindow(lab, 10);
    t.deepEqual(await routes(), plain);
  },
);
