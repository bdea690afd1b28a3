/** `baton doctor` on the machines of the lab, as the user and with the privileges that the services there have. */
import { readFileSync } from 'node:fs';
import type { Role } from '../../doctor/check.ts';
import { CONTROL_PORT } from '../deliveries.ts';
import type { ExaminedHost } from '../kinds/kind.ts';
import type { VagrantHost } from './host.ts';
import { openHosts } from './hosts.ts';

/** Where its unit says what a service on a host of its own may do. */
const units: Readonly<Record<ServiceRole, string>> = {
  head: 'baton-head.service',
  delivery: 'remote-delivery.conf',
};

/** As setpriv has them: `net_admin`. */
export function capabilitiesOf(role: ServiceRole): string[] {
  const unit = readFileSync(new URL(`../../systemd/${units[role]}`, import.meta.url), 'utf8');
  const [, names = ''] = /^AmbientCapabilities=(.*)$/m.exec(unit) ?? [];
  return names.split(' ').map((name) => name.replace('CAP_', '').toLowerCase());
}

type ServiceRole = Exclude<Role, 'lab'>;

export async function examineVagrantLab(): Promise<ExaminedHost[]> {
  const { head, spare, deliveries, close } = await openHosts();
  try {
    const [first] = deliveries;
    const common = ['--vip', head.vip, '--secret', '/etc/baton/secret'];
    return await Promise.all([
      ...[head, ...(spare ? [spare] : [])].map((host) =>
        examineHost(host, 'head', [...common, '--interface', host.interface, '--delivery', first!.address]),
      ),
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
  role: ServiceRole,
  args: readonly string[],
): Promise<ExaminedHost> {
  const given = `-all,${capabilitiesOf(role)
    .map((name) => `+${name}`)
    .join(',')}`;
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
