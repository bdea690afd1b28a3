/** Builds a lab's network, says its name, and waits to be killed: while it is half built, or when it stands. */
import { buildNetwork } from '../../infra/lab/netns/network.ts';
import { labTopology } from '../../infra/lab/netns/topology.ts';

const topology = labTopology(1, { client: { delayMs: 1 } });
if (process.argv[2] === 'building') {
  // Read when the host's turn comes: the others stand by then.
  const hosts = [
    ...topology.hosts,
    {
      ...topology.hosts[0]!,
      name: 'last',
      get addresses(): string[] {
        process.stdout.write(`baton-${process.pid}-1\n`);
        for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
      },
    },
  ];
  await buildNetwork({ ...topology, hosts });
} else {
  const { name } = await buildNetwork(topology);
  process.stdout.write(`${name}\n`);
  setInterval(() => {}, 1000);
}
