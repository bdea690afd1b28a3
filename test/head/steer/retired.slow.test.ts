/**
 * A head that has handed over is asked, and has links that end, when it has let go of its table already: neither touches memory
 * that is not there any more (SIGSEGV), or what is its successor's.
 */
import { attachSteering } from '../../../head/steer/index.ts';
import { FlowTable } from '../../../head/steer/table.ts';
import { BatonError } from '../../../shared/errors.ts';
import { flowKey } from '../../../shared/wire/remote/flow-key.ts';
import { enterNamespace } from '../../support/enter-namespace.ts';
import { asRoot, startNetwork } from '../../support/netns.ts';

const server = { host: '10.77.0.100', port: 80 };
const hop = { mac: '02:ba:70:00:00:11', ifindex: 2, sourceMac: '02:ba:70:00:00:02' };
const keyOf = (port: number) =>
  flowKey({
    client: { address: Uint8Array.of(10, 77, 0, 1), port },
    server: { address: Uint8Array.of(10, 77, 0, 100), port: 80 },
  });

asRoot()(
  'who has let go of a table finds nothing there and changes nothing, however often it is asked, and a thread that still has it goes on',
  async (t) => {
    const network = await startNetwork(t, 1);
    enterNamespace(network.host('head').namespace);
    const predecessor = await attachSteering('eth0', { capacity: 64 });
    const worker = new FlowTable(predecessor.table);
    predecessor.forward(keyOf(1), hop, { id: 5 });
    const successor = await attachSteering('eth0');
    t.teardown(() => successor.detach());
    t.true(successor.adopted);
    const isRefused = (does: () => unknown, what: string) => {
      const error = t.throws(does, { instanceOf: BatonError }, what);
      t.is(error?.code, 'STEERING_FAILED', what);
    };
    for (const letGo of [() => predecessor.retire(), () => predecessor.retire(), () => predecessor.close()]) {
      letGo();
      t.is(predecessor.find(keyOf(1)), undefined);
      t.false(predecessor.release(keyOf(1), 5), 'it is not for this one to say that nobody has it');
      t.false(predecessor.forget(keyOf(1)));
      t.is(predecessor.unknownHeld, 0);
      t.deepEqual(predecessor.list(), []);
      t.is(predecessor.count(), 0);
      predecessor.walkHolders(() => t.fail('there is one'));
      predecessor.look(keyOf(1), 5, true);
      predecessor.holdUnknown({ server, untilNanos: process.hrtime.bigint() + 10_000_000_000n });
      isRefused(() => predecessor.hold(keyOf(2)), 'hold');
      isRefused(() => predecessor.mark(keyOf(2)), 'mark');
      isRefused(() => predecessor.forward(keyOf(2), hop), 'forward');
      t.deepEqual(
        successor.list().map(({ action }) => action),
        ['forward'],
        "the successor's is as it was",
      );
      // Its fd is there until the head lets go of it, not only until it retires.
      if (letGo.toString().includes('retire')) t.is(worker.find(keyOf(1))?.action, 'forward');
    }
    worker.free();
    worker.free();
    t.is(worker.find(keyOf(1)), undefined);
  },
);
