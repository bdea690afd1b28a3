/** `baton doctor` on the machines of the lab, as the user and with the privileges that the services there have. */
import type { Role } from '../../doctor/check.ts';
import { CONTROL_PORT } from '../deliveries.ts';
import type { ExaminedHost } from '../kinds/kind.ts';
import type { VagrantHost } from './host.ts';
import { openHosts } from './hosts.ts';

/** What the units have; see infra/systemd. */
const capabilities: Readonly<Record<'head' | 'delivery', readonly string[]>> = {
  head: ['net_admin', 'bpf', 'perfmon'],
  delivery: ['net_admin'],
};

export async function examineVagrantLab(): Promise<ExaminedHost[]> {
  const { head, deliveries, close } = await openHosts();
  try {
    const [first] = deliveries;
    const common = ['--vip', head.vip, '--secret', '/etc/baton/secret'];
    return await Promise.all([
      examineHost(head, 'head', [...common, '--interface', head.interface, '--delivery', first!.address]),
      ...deliveries.map((host) =>
        examineHost(host, 'delivery', [...common, '--head', `${head.address}:${CONTROL_PORT}`]),
      ),
    ]);
  } finally {
    await close();
  }
}

async function examineHost(
  host: VagrantHost,
  role: Exclude<Role, 'lab'>,
  args: readonly string[],
): Promise<ExaminedHost> {
  const given = `-all,${capabilities[role].map((name) => `+${name}`).join(',')}`;
  const asService = [
    ...['setpriv', '--reuid=baton', '--regid=baton', '--clear-groups'],
    ...[`--inh-caps=${given}`, `--ambient-caps=${given}`, `--bounding-set=${given}`],
  ];
  // 1 says that something is lacking, which is an answer.
  const answered = ['sh', '-c', '"$@" || [ $? -eq 1 ]', 'sh'];
  const text = await host.run([
    ...answered,
    ...asService,
    ...host.baton,
    'doctor',
    '--as',
    role,
    ...args,
    '--json',
  ]);
  // The sources there are those here.
  const { fit, groups } = JSON.parse(text) as ExaminedHost;
  return { host: host.name, fit, groups };
}
