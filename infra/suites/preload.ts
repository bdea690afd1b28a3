/**
 * `node --import preload.ts`: puts a head before every TCP server of the process and of its children. The server listens on
 * a port that nobody knows, the head on the address that was wanted, and `server.address()` says so. It is done where
 * Node's `listen()` has read its arguments and looked the host up, so that their errors are Node's own. What has no place
 * behind a head stays as it is: Unix sockets, node:cluster, and listeners that were opened elsewhere.
 *
 * What it needs is loaded when the first server listens, for tests of Node itself change what is not loaded yet; but at
 * once under mocha, which takes globals that a library has made meanwhile for a test's.
 */
import cluster from 'node:cluster';
import { createRequire } from 'node:module';
import { Server } from 'node:net';
import type * as fronts from './front.ts';
import type { Front, ListeningServer } from './front.ts';

const path = process.env.BATON_SUITES_HEADS;
const again = process.env.BATON_SUITES_HEADS_AGAIN === '1';
// A worker of node:cluster has no listener of its own: its primary accepts for it.
if (path !== undefined && !cluster.isWorker) putHeadsBeforeServers(path);

/** A server of node:cluster's primary: only its listener is used, and connections of its own fail an assertion of Node's. */
const isClusters = (server: Server) =>
  server.listeners('connection').some((listener) => String(listener).includes('ERR_INTERNAL_ASSERTION'));

/** `heads`: where heads.ts lends heads. */
function putHeadsBeforeServers(heads: string): void {
  const require = createRequire(import.meta.url);
  const inFrontOf = new WeakMap<Server, Front>();
  if (again) require('./front.ts');
  const prototype = Server.prototype as ListeningServer;
  const original = { listen: prototype._listen2, close: prototype.close, address: prototype.address };
  prototype._listen2 = function (...args) {
    const [host, port, family, backlog, fd, flags] = args;
    const opened = this._handle !== null || typeof fd === 'number' || (family !== 4 && family !== 6);
    if (opened || isClusters(this)) return original.listen.apply(this, args);
    const { Front, leaseHead } = require('./front.ts') as typeof fronts;
    const lease = leaseHead(heads, { host, port, again });
    // Without one for this address, Node says what is wrong with it.
    if (!lease) return original.listen.apply(this, args);
    original.listen.call(this, '127.0.0.1', 0, 4, backlog, undefined, flags);
    if (!this._handle) return lease.close();
    this._connectionKey = `${family}:${lease.host}:${port}`;
    inFrontOf.set(this, new Front(this, lease));
  };
  prototype.close = function (callback) {
    const front = inFrontOf.get(this);
    inFrontOf.delete(this);
    const result = original.close.call(this, callback);
    front?.close();
    return result;
  };
  prototype.address = function () {
    return inFrontOf.get(this)?.address ?? original.address.call(this);
  };
}
