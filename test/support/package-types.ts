/** Programs of people who use the package, as a compiler of types sees them. */

export const typed = `import { createServer } from 'node:http';
     import { BatonError, type ConnectionInfo, connectionInfo, type Receiver, receiveConnections } from 'baton/delivery';
     import { type Head, startHead } from 'baton/head';

     const server = createServer((request, response) => {
       const info: ConnectionInfo | undefined = connectionInfo(request.socket);
       response.end(info?.id);
     });
     const receiver: Receiver = receiveConnections(server, { head: '/run/head.sock', credits: 5, direct: null });
     receiver.ready.catch((error: unknown) => error instanceof BatonError && error.code === 'NOT_RUNNING');
     const head: Head = await startHead({ listen: '127.0.0.1:0' });
     const inUse: number | undefined = head.status().deliveries[0]?.inUse;
     console.log(inUse);
     // @ts-expect-error: a number
     receiveConnections(server, { credits: 'five' });
     // @ts-expect-error: not a code
     if (new BatonError('USAGE').code === 'NONE') await receiver.close(1000);`;

export const importing = `import { createServer } from 'node:http';
  import { type Receiver, receiveConnections } from 'baton/delivery';
  const receiver: Receiver = receiveConnections(createServer(), { credits: 5 });
  // @ts-expect-error: a number
  receiveConnections(createServer(), { credits: 'five' });
  export default receiver;`;

export const fromCommonJs = `export async function credits(): Promise<number> {
       const { receiveConnections } = await import('baton/delivery');
       // @ts-expect-error: a number
       return receiveConnections(null as never, { credits: 'five' }).credits;
     }`;
