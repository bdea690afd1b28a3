/**
 * Steering: the head's kernel sends a migrated connection's packets on to the host that adopted it (see steer.bpf.c). Flows
 * are named by their keys (shared/wire/remote/flow-key.ts).
 *
 *     attach -> mark(flow) -> hold(flow) -> forward(flow, hop) -> forget(flow) -> close, or detach
 *                   `--------------`--> forget(flow)
 *
 * The filter on the interface owns the program and the table of flows, so both outlive the head: `close` leaves them at
 * work, and the next `attach` finds them through the filter. `detach` removes everything.
 *
 * Two things to know. After `hold` returns, a packet that another CPU had looked up just before may still reach the
 * socket, microseconds later: who dumps a socket must see that its sequence numbers stand still. And a flow can go by
 * itself: the handshake of a new connection from the same port replaces it.
 */
import { BatonError } from '../../shared/errors.ts';
import * as bpf from '../../shared/sys/bpf.ts';
import { accessMap } from '../../shared/sys/bpf-map.ts';
import { errnoName, SystemError } from '../../shared/sys/libc.ts';
import { closeFd } from '../../shared/sys/sockets.ts';
import { attachFilter, type Filter, findFilter, PREF, removeFilter } from './filter.ts';
import * as layout from './flow.ts';
import { findInterface, type Interface } from './iproute.ts';
import { defaultName, ensureBpffs, type Pins, pin, pinsOf, unpin } from './pins.ts';
import { createFlows, createUnknown, loadProgram, PROGRAM } from './program.ts';
import { FlowTable, tableSpec } from './table.ts';
import type { Steering, SteeringOptions } from './types.ts';

const DEFAULT_CAPACITY = 65_536;

/** Begins to steer on an interface, or takes over where a head that is gone left off. */
export async function attachSteering(
  interfaceName: string,
  options: SteeringOptions = {},
): Promise<Steering> {
  const device = await findInterface(interfaceName);
  const pins = pinsOf(options.name ?? defaultName(device.name));
  const fds: number[] = [];
  try {
    const found = withName(await findFilter(device.name), pins);
    const adopted = found && openMaps(device, found, pins);
    const flowsFd = adopted?.flowsFd ?? createFlows(options.capacity ?? DEFAULT_CAPACITY);
    fds.push(flowsFd);
    // The same word: it holds while this head begins, and stays the other's if that goes on after all.
    const unknownFd = adopted?.unknownFd ?? createUnknown();
    fds.push(unknownFd);
    const programFd = loadProgram(flowsFd, unknownFd);
    fds.push(programFd);
    await ensureBpffs();
    pin(pins, { flows: flowsFd, unknown: unknownFd, program: programFd });
    await attachFilter(device.name, pins.program, found).catch((error: unknown) => {
      unpin(pins);
      throw error;
    });
    closeFd(programFd);
    return handle(device, { flowsFd, unknownFd }, pins, found !== undefined);
  } catch (error) {
    fds.forEach(closeFd);
    throw explain(error, device.name);
  }
}

/** What an earlier head has left at work, as it is; undefined when nothing. `close` it. */
export async function findSteering(interfaceName: string): Promise<Steering | undefined> {
  const device = await findInterface(interfaceName);
  const pins = pinsOf(defaultName(device.name));
  try {
    const found = withName(await findFilter(device.name), pins);
    return found && handle(device, openMaps(device, found, pins), pins, true);
  } catch (error) {
    throw explain(error, device.name);
  }
}

/** Whether this process may load the program and its tables; found by doing so. Throws NO_PRIVILEGE and STEERING_FAILED. */
export function tryToSteer(): void {
  const fds: number[] = [];
  try {
    fds.push(createFlows(1));
    fds.push(createUnknown());
    fds.push(loadProgram(fds[0]!, fds[1]!));
  } catch (error) {
    throw explain(error, 'any network card');
  } finally {
    fds.forEach(closeFd);
  }
}

/** Of the program that a filter runs. Throws STEERING_FOREIGN when its table is none that this release can use. */
function openMaps(device: Interface, filter: NamedFilter, pins: Pins): Maps {
  const foreign = (found: string) =>
    new BatonError('STEERING_FOREIGN', { interface: device.name, pref: PREF, found });
  if (filter.programName !== PROGRAM) throw foreign(filter.programName);
  const programFd =
    openIfNamed(pins.program, [filter.programId], bpf.programInfo) ?? bpf.openProgram(filter.programId);
  const { mapIds } = bpf.programInfo(programFd);
  closeFd(programFd);
  const open = (path: string, name: string) =>
    openIfNamed(path, mapIds, bpf.mapInfo) ?? openAmong(mapIds, name);
  const flowsFd = open(pins.flows, layout.FLOWS);
  if (flowsFd === undefined) throw foreign('a program without a table of flows');
  const { keySize, valueSize } = bpf.mapInfo(flowsFd);
  if (keySize !== layout.KEY_SIZE || valueSize !== layout.FLOW_SIZE) {
    closeFd(flowsFd);
    throw foreign('another layout of its table');
  }
  const unknownFd = openUnlessForbidden(() => open(pins.unknown, layout.UNKNOWN));
  if (unknownFd === undefined || bpf.mapInfo(unknownFd).valueSize === layout.UNKNOWN_SIZE)
    return { flowsFd, unknownFd };
  // Of a release that has another word.
  closeFd(unknownFd);
  return { flowsFd };
}

/** One that is not pinned, of an earlier release, takes CAP_SYS_ADMIN; a head can do without it. */
function openUnlessForbidden(open: () => number | undefined): number | undefined {
  try {
    return open();
  } catch (error) {
    if (error instanceof SystemError) return undefined;
    throw error;
  }
}

function openAmong(mapIds: readonly number[], name: string): number | undefined {
  for (const id of mapIds) {
    const fd = bpf.openMap(id);
    if (bpf.mapInfo(fd).name === name) return fd;
    closeFd(fd);
  }
  return undefined;
}

type NamedFilter = Filter & { readonly programName: string };

/** The filter with its program's name, which is found by its pin where tc may not ask for it. */
function withName(filter: Filter | undefined, pins: Pins): NamedFilter | undefined {
  if (!filter) return undefined;
  const { programName, programId } = filter;
  if (programName !== undefined) return { ...filter, programName };
  const fd = openIfNamed(pins.program, [programId], bpf.programInfo);
  if (fd === undefined) return { ...filter, programName: `program ${programId}, which is not pinned here` };
  const { name } = bpf.programInfo(fd);
  closeFd(fd);
  return { ...filter, programName: name };
}

/** By its name, which takes no more than may read the file, where by its id takes CAP_SYS_ADMIN. */
function openIfNamed(
  path: string,
  ids: readonly number[],
  info: (fd: number) => { id: number },
): number | undefined {
  let fd: number;
  try {
    fd = bpf.openPinned(path);
  } catch (error) {
    if (error instanceof SystemError) return undefined;
    throw error;
  }
  if (ids.includes(info(fd).id)) return fd;
  closeFd(fd);
  return undefined;
}

/** `unknownFd`: undefined where the program at work is of a release without it. */
interface Maps {
  readonly flowsFd: number;
  readonly unknownFd?: number | undefined;
}

function handle(device: Interface, { flowsFd, unknownFd }: Maps, pins: Pins, adopted: boolean): Steering {
  const table = new FlowTable(tableSpec(flowsFd, device.name));
  const { capacity } = table.spec;
  const unknown =
    unknownFd === undefined ? undefined : accessMap(unknownFd, layout.INDEX_SIZE, layout.UNKNOWN_SIZE);
  let card = device;
  let open = true;
  let isRetired = false;
  table.isAttached = true;

  const steering: Steering = {
    get interface() {
      return card;
    },
    capacity,
    path: pins.flows,
    adopted,
    table: table.spec,
    get isAttached() {
      return table.isAttached;
    },
    distrust() {
      table.isAttached = false;
    },
    async repair() {
      card = await findInterface(device.name);
      const filter = withName(await findFilter(card.name), pins);
      if (!open) return false;
      if (filter && filter.programName !== PROGRAM) {
        table.isAttached = false;
        throw new BatonError('STEERING_FOREIGN', {
          interface: card.name,
          pref: PREF,
          found: filter.programName,
        });
      }
      if (!filter) await attachFilter(card.name, pins.program);
      table.isAttached = true;
      return filter === undefined;
    },
    hold: (key, forMs, id) => table.hold(key, forMs, id),
    mark: (key, id) => table.mark(key, id),
    forward: (key, hop, of) => table.forward(key, hop, of),
    look: (key, id, on) => table.look(key, id, on),
    holdUnknown(packets) {
      if (!unknown || isRetired) return;
      // What was counted meanwhile is lost by a few packets, at most.
      unknown.lookup();
      layout.writeUnknown(unknown.value, packets);
      const result = unknown.update();
      if (result < 0) throw failed(device.name, result);
    },
    get unknownHeld() {
      return unknown && !isRetired && unknown.lookup() === 0 ? layout.readUnknownHeld(unknown.value) : 0;
    },
    forget: (key) => table.forget(key),
    release: (key, id) => table.release(key, id),
    find: (key) => table.find(key),
    walk: (each) => table.walk(each),
    walkHolders: (each) => table.walkHolders(each),
    list() {
      const found: layout.SteeredFlow[] = [];
      steering.walk((flow) => found.push(flow));
      return found;
    },
    count() {
      let n = 0;
      table.walk(() => n++);
      return n;
    },
    async detach() {
      const filter = withName(await findFilter(device.name), pins);
      if (filter?.programName === PROGRAM) await removeFilter(device.name, filter);
      unpin(pins);
      steering.close();
    },
    retire() {
      if (isRetired) return;
      isRetired = true;
      table.free();
      unknown?.free();
    },
    close() {
      if (!open) return;
      open = false;
      steering.retire();
      closeFd(flowsFd);
      if (unknownFd !== undefined) closeFd(unknownFd);
    },
  };
  return steering;
}

const failed = (interfaceName: string, errno: number) =>
  new BatonError('STEERING_FAILED', { interface: interfaceName, problem: `bpf(2): ${errnoName(errno)}` });

function explain(error: unknown, interfaceName: string): unknown {
  if (!(error instanceof SystemError)) return error;
  if (error.code === 'EPERM' || error.code === 'EACCES') {
    return new BatonError(
      'NO_PRIVILEGE',
      {
        what: `steering on ${interfaceName}`,
        capability: 'CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN',
        problem: error.message,
      },
      error,
    );
  }
  return new BatonError('STEERING_FAILED', { interface: interfaceName, problem: error.message }, error);
}
