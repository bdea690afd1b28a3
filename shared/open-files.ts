/** Files that a process has open besides its clients' connections. */

/** Node's own, listeners, eventfds, control channels, lanes. */
const OF_A_PROCESS = 128;
const OF_A_WORKER = 160;
/** Fewer connections a worker are not worth starting for. */
const LEAST_CONNECTIONS = 64;

export const headFilesBesides = (workers: number): number => OF_A_PROCESS + workers * OF_A_WORKER;
/** Without it no head starts. */
export const headFilesNeeded = (workers: number, connections = 0): number =>
  headFilesBesides(workers) + Math.max(connections, workers * LEAST_CONNECTIONS);

export const deliveryFilesBesides = OF_A_PROCESS;
/** Connections that a delivery holds at once when nobody says otherwise and the limit on open files allows it. */
export const DEFAULT_CREDITS = 10_000;
