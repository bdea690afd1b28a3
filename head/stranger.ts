/**
 * Somebody who has connected to the deliveries' socket and has to say who they are: the user is checked, then a hello is
 * due in time, then every message is decoded before the registry sees it.
 */
import { BatonError } from '../shared/errors.ts';
import type { Logger } from '../shared/log.ts';
import { closeFd, peerCredentials } from '../shared/sys/sockets.ts';
import { type Channel, openChannel } from '../shared/wire/channel.ts';
import { decodeFromDelivery, type FromDelivery, type Hello } from '../shared/wire/control.ts';

/** A peer that connects and does not say hello within this time is cut off, milliseconds. */
const HELLO_WITHIN_MS = 5000;

export interface StrangerEvents {
  onHello(channel: Channel, hello: Hello): void;
  /** Any later message. What it throws ends the registration. */
  onMessage(message: FromDelivery): void;
  /** It sent what makes no sense; it has been told so if it was not registered yet. */
  onBroken(problem: string): void;
  /** The channel has ended by itself. */
  onEnd(channel: Channel): void;
}

/** Takes over `fd`. Undefined for a peer that may not speak: the fd is closed. */
export function admitStranger(fd: number, log: Logger, events: StrangerEvents): Channel | undefined {
  const own = process.getuid!();
  const { uid, pid } = peerCredentials(fd);
  if (uid !== own && uid !== 0) {
    log.warn(new BatonError('PEER_FORBIDDEN', { pid, uid, own }).message);
    closeFd(fd);
    return undefined;
  }
  let greeted = false;
  const channel = openChannel(fd, {
    onMessage: (bytes) => {
      try {
        const message = decodeFromDelivery(bytes);
        if (greeted) return events.onMessage(message);
        if (message.type !== 'hello') {
          throw new BatonError('PROTOCOL', { problem: `${message.type} where hello was due` });
        }
        greeted = true;
        clearTimeout(timer);
        events.onHello(channel, message);
      } catch (error) {
        log.warn({ peerPid: pid }, (error as Error).message);
        events.onBroken((error as Error).message);
        // Nothing is sent, and nobody is told again, when the registry has let it go already.
        refuse(error as BatonError);
      }
    },
    onEnd: () => {
      clearTimeout(timer);
      events.onEnd(channel);
    },
  });
  const refuse = (error: BatonError): void => {
    clearTimeout(timer);
    channel.send({ type: 'refused', code: error.code, reason: error.message });
    channel.end();
    events.onEnd(channel);
  };
  const timer = setTimeout(
    () => refuse(new BatonError('PROTOCOL', { problem: 'no hello in time' })),
    HELLO_WITHIN_MS,
  );
  return channel;
}
