import type { LabKind } from './kind.ts';

/** Every host a virtual machine of the checkout's Vagrantfile. */
export const vagrant: LabKind = {
  name: 'vagrant',
  hasHosts: true,
  start: async (options) => (await import('../vagrant.ts')).startVagrantLab(options),
  up: async (wanted) => (await import('../vagrant/stay.ts')).up(wanted),
  down: async () => (await import('../vagrant/stay.ts')).down(),
  withHeads: async (use) => (await import('../vagrant/ask.ts')).withVagrantHeads(use),
  doctor: async () => (await import('../vagrant/doctor.ts')).examineVagrantLab(),
};
