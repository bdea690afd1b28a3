import { decodeSaved, type SavedConnection } from '../../../../shared/tcp-repair/index.ts';
import { type Family, type Segment, vip } from './segment.ts';

export interface Opened {
  /** The client's number of the connection, and its fd at the head. */
  readonly client: number;
  readonly fd: number;
  readonly port: number;
  readonly listener: number;
}

export async function open({ client, head }: Segment, family: Family = 'v4'): Promise<Opened> {
  const { fd: listener, port } = await head.listen(vip[family]);
  const [id, fd] = await Promise.all([client.open(vip[family], port), head.accept(listener)]);
  return { client: id, fd, port, listener };
}

/** Holds the flow and saves the connection, which stays frozen at the head. */
export async function saveAtHead(
  segment: Segment,
  { fd }: Opened,
): Promise<{ message: Uint8Array; state: SavedConnection }> {
  segment.steer('nobody');
  const frozen = await segment.head.freeze(fd);
  if (frozen.reason !== '') throw new Error(frozen.text);
  const { reason, message } = await segment.head.save(fd);
  if (reason !== '') throw new Error(reason);
  return { message, state: decodeSaved(message) };
}

/** From the head to the delivery; the fd there, and what travelled. */
export async function migrate(
  segment: Segment,
  opened: Opened,
): Promise<{ fd: number; state: SavedConnection }> {
  const { message, state } = await saveAtHead(segment, opened);
  const { reason, text, handle } = await segment.delivery.prepare(message);
  if (reason !== '') throw new Error(text);
  if (!(await segment.head.isUnchanged(opened.fd))) throw new Error('the hold leaks');
  await segment.head.closeSilently(opened.fd);
  segment.steer('delivery');
  return { fd: await segment.delivery.activate(handle), state };
}
