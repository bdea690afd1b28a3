/** What a program says of a receiver, and has of it. */
import type { Socket } from 'node:net';
import type { Logger } from '../shared/log.ts';
import type { OnMove } from './mover.ts';

export interface ReceiveOptions {
  /**
   * The head's Unix socket; by default the one that `baton head` uses by default. Or HOST:PORT of a head on another host,
   * its --control: then `secret` and `vip` are needed, and CAP_NET_ADMIN. Several of these as a list: heads that stand in
   * for each other, each of which gives connections and is told of those that the others gave.
   */
  readonly head?: string | readonly string[] | undefined;
  /** A file with the secret of the head on another host, readable by its owner alone. */
  readonly secret?: string | undefined;
  /** Addresses that clients connect to, and that this host has as well (on `lo`); several as `A,B`. */
  readonly vip?: string | undefined;
  /** Unique under the head: 1 to 64 letters, digits, ".", "_", "-". Default: one made up. */
  readonly name?: string | undefined;
  /** Connections that it holds at once, 1 to 1,000,000. Default: what the limit on open files allows, at most 10,000. */
  readonly credits?: number | undefined;
  /** Its share under policies that know weights, 1 to 1000. Default 1. */
  readonly weight?: number | undefined;
  /**
   * HOST:PORT at which clients reach the server without the head, for 307 and 201; null: nowhere. Default: the
   * server's own address while it is listening, unless that is a wildcard.
   */
  readonly direct?: string | null | undefined;
  /**
   * A file with a secret, readable by its owner alone, that deliveries of the same site (the same `serves`) share: a client
   * resumes its TLS session on whichever it lands. For a server that speaks TLS.
   */
  readonly ticketSecret?: string | undefined;
  /**
   * The names of servers that it serves, by the server name of TLS as by Host: `shop.example`, `*.img.example` for all names
   * that end so, `*`. A head gives it connections for these alone, and to nobody else who serves them less specifically.
   * Default: every name.
   */
  readonly serves?: readonly string[] | undefined;
  /**
   * When it takes leave its connections go to other deliveries of its head, between two requests, instead of being closed.
   * Default false.
   */
  readonly move?: boolean | undefined;
  /**
   * Asked for connections that are not HTTP/1.1's (any more), upgraded ones for instance, when they are to move: what another
   * one like it needs to go on with the connection, of 32 kB at most (MessagePack), or 'not-now'; it is asked again then. From
   * the answer on nothing is read or written, until the connection has gone (its socket closes) or stays after all. Without it
   * they stay. Connections of a server that speaks TLS or HTTP/2 stay in any case.
   */
  readonly onMove?: OnMove | undefined;
  /**
   * Gets a connection that came with a state: `connectionInfo(socket).state`. Without it the `connection` listeners of the server
   * do, but for those of HTTP.
   */
  readonly onMoved?: ((socket: Socket) => void) | undefined;
  /** A line that it throws for is lost, and nothing else is. */
  readonly log?: Logger | undefined;
}

export interface Receiver {
  readonly name: string;
  /** Connections that were handed over and are open. */
  readonly connections: number;
  /** Connections that it holds at once. */
  readonly credits: number;
  /** Whether a head, any of them, has it now. */
  readonly registered: boolean;
  /** Resolves when a head has welcomed this delivery for the first time; rejects when it refuses it for good. */
  readonly ready: Promise<void>;
  /**
   * Takes leave: the head gives nothing more, requests in progress end, and their answers say `Connection: close`; idle
   * connections are closed, and after `withinMs` (default 10,000) whatever is left is closed too. Resolves when the head
   * knows and no connection is left. The server itself is not closed. Called again it may shorten the time.
   */
  close(withinMs?: number): Promise<void>;
}
