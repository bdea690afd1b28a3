/** A delivery of another host as the registry has it: what it is asked and told as a member. */
import type { RemoteHello, ToRemote } from '../../shared/wire/remote/messages.ts';
import type { Registrant } from '../registrant.ts';

export interface Member {
  /** Tells this registration from others that had its slot. */
  readonly registration: number;
  /** It has not gone. */
  readonly isWaiting: boolean;
  /** What it gives back can be had here. */
  readonly isActive: boolean;
  /** False where it can not be told. */
  send(message: ToRemote): boolean;
  /** It is about to be welcomed, and may be given connections; how many lanes it may open. */
  begin(): number | undefined;
  /** Nothing of it is under way any more when this returns. */
  finish(): void;
  /** Its link ends when all has been said. */
  end(): void;
}

export function registrantOf(hello: RemoteHello, member: Member): Registrant {
  const { moves, version } = hello;
  const standby = (): { standby?: true } => (member.isActive ? {} : { standby: true });
  return {
    introduction: hello,
    transport: 'migrate',
    process: 0,
    active: hello.active,
    get isWaiting() {
      return member.isWaiting;
    },
    makeLanes: (workers) =>
      Array.from({ length: workers }, () => ({
        transport: 'migrate',
        registration: member.registration,
        takesState: moves === 'state',
      })),
    welcome: () => {
      const lanes = member.begin();
      return member.send({
        type: 'welcome',
        version,
        ...standby(),
        ...(moves && { moves: true }),
        ...(lanes && { lanes }),
      });
    },
    ping: () => void member.send({ type: 'ping', ...standby() }),
    move: moves && ((on) => void member.send({ type: 'move', on })),
    drained: () => void member.send({ type: 'drained' }),
    dismiss: (reason, successor) => {
      member.finish();
      member.send({ type: 'dismissed', reason, ...(successor && { successor }) });
      member.end();
    },
  };
}
