/**
 * Node's HTTP without what it lends to the web. An `import` of `node:http` reads each of its exports, and so loads the
 * WebSocket behind one of them: 30 ms of CPU and 14 MB of every process (Node 24), which nothing here has a use for.
 */
export const { Agent, createServer, get, request, Server, ServerResponse } =
  process.getBuiltinModule('node:http');
