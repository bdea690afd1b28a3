/*
 * The handoff to another host (../migration.md) as a model for spin(1): a head and its successor, two deliveries, and two
 * connections of one client that uses its port again, so that both have the same key. It has every order in which their
 * steps can follow each other; a death, a freeze, a link that is cut and whatever else the table of faults has may come
 * between any two of them.
 *
 * What stands in one `atomic` is one system call, or what one thread does between two of them. The states and steps have
 * the names of the code: head/migrate/{migrations,moving,flows,orphans,teller,remote-delivery,talk}.ts, delivery/remote/{adoptions,
 * adopted-flows,session}.ts, head/steer/table.ts, and head/steer/steer.bpf.c for `lookup`. Deadlines may pass at any moment, the
 * kernel's hold too: how long something takes is not in the model, but for one thing (see `closeSilently`).
 *
 * Whether the main thread moves a connection or its worker, over a lane, is one thing here: what is said of one connection goes
 * one way, in its order. A worker's move supersedes the old flow in the book only when its journal is read. That makes no
 * difference: the journal is read before each look into the book, and what is found there of an old connection changes no
 * entry of a new one's, as the entry has its owner's number (`movingName` here, FlowTable.release).
 *
 * Shown: never two that may speak for one connection, nobody reset that somebody serves, no byte acknowledged and lost
 * (speak, reset); each connection ends in exactly one outcome (settle); no credit is exceeded or lost; and when nothing
 * moves any more, no client waits for nobody (check).
 *
 * Each macro leaves one check out, and the model then fails:
 *   NO_SECOND_LOOK  Migrations.#forward: does not look again after the hold
 *   NO_DEAFEN       Migrations.#forward: the socket goes on hearing what was past the hold
 *   NO_HOLD         Migrations.#forward: packets are let through until the flow is forwarded
 *   TRUST_HOLD      Migrations.#forward: a hold from the beginning is taken to be one still
 *   COMMIT_FIRST    Migrations.onAdopted: the word is given before the head has closed its socket
 *   LATE_WORD       Migrations.onAdopted: the answer to an adopt that was given up is heard
 *   NO_ABORT        Migrations.#release: the delivery is not told to drop its copy
 *   RESET_PREPARED  Adoptions.end: a delivery whose link ends resets what it has prepared
 *   RESET_DOUBTFUL  Migrations.end: what a delivery that may live was given is reset
 *   TRUST_RESET     RemoteDelivery.onEnd: a link that is reset is taken for the end of the process
 *   NO_DOUBT        Flows.claim: what was committed and is not claimed stays in the book
 *   NO_ID           Flows.resetAway: looks at the addresses alone, which another connection may have by now
 *   NO_MARK         Migrations.#begin: a successor does not learn whose connection was frozen
 *   NO_ASK          haveNobody (orphans.ts): clients whose delivery cannot be heard are not made to send anything
 *   NO_CHECK        Flows.claim: steers packets of a new connection at the head to who had the old one
 *   ANY_CLAIM       Flows.claim: what is steered to another host is given to who has an older one of the same ends
 *   NO_OWNER        FlowTable.release: what is taken back forgets the entry, whosever it is by now
 *   NO_SUPERSEDE    Migrations.#begin: the book keeps the old flow of these addresses
 *   NO_CREDIT_BACK  Talk.hear: a connection that could not be brought to life keeps its credit
 *   COUNT_TWICE     Migrations.onRefused: a refusal counts again for what is settled
 */

#define CONNECTIONS 2
#define CREDITS 2
/* Migrations that are begun, at most: then a connection goes another way. */
#define IDS 2
/* A client's packets: its request, and one more. */
#define PACKETS 2
#define NONE 7

mtype = { ADOPT, COMMIT, ABORT, ADOPTED, REFUSED, LIVE, ENDED };
mtype = { PASS, MARK, HOLD, FORWARD };
mtype = { NO_SOCKET, OPEN, FROZEN, OVER };
mtype = { IDLE, MOVING, UNCONFIRMED };
mtype = { UNSETTLED, TAKEN, LOCAL, FALLBACK, GONE, KILLED };

typedef Connection {
  /* Its socket at the head; OVER: its client has reset it. */
  mtype socket;
  /* Packets that have come to that socket, and that anybody has acknowledged; what had come when it was frozen. */
  byte got;
  byte acked;
  byte seen;
  bool deaf;
  /* Its client has an answer or a reset, or has gone itself. */
  bool done;
  /* The lane that it is on, untaken. */
  byte on;
  mtype outcome;
  /* A packet of its client has passed the table, and has not come to the socket. */
  bool isBehindTable;
}
Connection client[CONNECTIONS];
byte accepted;
/* The latest one has the port. */
#define NEWEST (accepted - 1)
#define AT_THE_HEAD(c) (client[c].socket == OPEN || client[c].socket == FROZEN)

/* The entry of their key in the kernel's table. `check`: a SYN was seen, so it is looked whether the head has a socket. */
mtype table = PASS;
byte steeredTo;
bool check;

typedef Remote {
  /* The link. What is sent when it is cut goes nowhere; each side notices that in its own time. */
  chan down = [6] of { mtype, byte, byte };
  chan up = [6] of { mtype, byte };
  bool cutDown;
  bool cutUp;
  /* The head has it registered; it has been welcomed. */
  bool registered;
  bool session;
  byte inUse;
  bool lives;
  /* It died with words unread, so that the link was reset. */
  bool isReset;
  bool frozen;
  /* Its host's kernel answers. */
  bool host;
  /* That kernel's socket with the key, by its migration: mute, or live; and the packets in it. */
  byte prepared;
  byte live;
  byte got;
  /* Activated, not said yet. */
  byte unsaid;
}
Remote at[2];

/* What the head keeps of a migration, by its id: in Migrations, and in the book of Flows. */
typedef Migration {
  mtype phase;
  byte whose;
  byte to;
  bool isHeld;
  bool book;
  bool doubt;
  bool ending;
}
Migration migration[IDS];
byte last;
byte byName = NONE;
byte movingName = NONE;
byte unclaimed = NONE;
bool headLives = true;

/* What may still happen, at any moment. */
bool mayKill;
bool mayCut[2];
bool mayLeave;
bool mayHold = true;
/* A second connection comes when the first is over for its client; the last one sends a packet after its request. */
byte connections = 1;
bool sends;
bool mayRefuse;
bool mayFail;
bool mayDrop;
bool mayFill;
bool mayDie[2];
bool mayFreeze[2];
bool mayGoDown[2];
bool heals;
bool restarts;

#define SERVES(d, c) (at[d].live != NONE && migration[at[d].live].whose == c)
#define HAS(d, c) (SERVES(d, c) || (at[d].prepared != NONE && migration[at[d].prepared].whose == c))
#define NOBODY_SERVES(c) (!SERVES(0, c) && !SERVES(1, c))

/* --- what must never be --- */

/* A delivery's application has it. */
inline speak(d, c) {
  assert(!AT_THE_HEAD(c) && !SERVES(1 - d, c));
  assert(client[c].done || at[d].got == client[c].acked)
}

/* The head goes on with it. */
inline speakAtHead(c) {
  assert(client[c].done || NOBODY_SERVES(c));
  assert(client[c].done || client[c].got == client[c].acked)
}

/* Its client is told that it is over. */
inline reset(c) {
  assert(client[c].done || NOBODY_SERVES(c));
  client[c].done = true
}

inline settle(c, how) {
  assert(client[c].outcome == UNSETTLED);
  client[c].outcome = how;
  client[c].on = NONE
}

/* --- the head: flows.ts, teller.ts --- */

/* Its kernel asks the client, and resets what nobody has; unless the ends are in use again. */
inline tell() {
  table = PASS;
  check = false;
  if
  :: accepted > 0 && !AT_THE_HEAD(NEWEST) -> reset(NEWEST)
  :: else
  fi
}

/* What was saved is restored, and reset: the old numbers mean nothing to a new connection. */
inline resetAway(m) {
  printf("TRACE 9 %d resetAway\n", m);
  migration[m].book = false;
  if
#ifdef NO_ID
  :: true ->
#else
  :: byName == m ->
#endif
    byName = NONE;
    table = PASS;
    check = false;
    if
    :: migration[m].whose == NEWEST && !AT_THE_HEAD(NEWEST) -> reset(NEWEST)
    :: else
    fi
  :: else
  fi
}

inline drop(m) {
  if
  :: byName == m && migration[m].doubt -> resetAway(m)
  :: byName == m && !migration[m].doubt -> byName = NONE; tell()
  :: else
  fi;
  migration[m].book = false;
  migration[m].doubt = false
}

inline dropUnheld(m, d) {
  if
  :: migration[m].book && migration[m].to == d && at[d].live != m && !migration[m].ending -> drop(m)
  :: else
  fi
}

#ifdef ANY_CLAIM
#define MAY_CLAIM(d) true
#else
#define MAY_CLAIM(d) (unclaimed == NONE || unclaimed == d)
#endif
/* A delivery has registered: these are all the flows that it still has. */
inline claim(d) {
#ifndef NO_DOUBT
  dropUnheld(0, d); dropUnheld(1, d);
#endif
  if
  :: at[d].live != NONE && (byName == NONE || byName == at[d].live) && (table == PASS || table == FORWARD) && MAY_CLAIM(d) ->
    unclaimed = NONE;
    table = FORWARD;
    steeredTo = d;
#ifndef NO_CHECK
    check = true;
#endif
    byName = at[d].live;
    migration[byName].book = true
  :: else
  fi;
  if
  :: unclaimed == d -> unclaimed = NONE; tell()
  :: else
  fi
}

inline ended(m) {
  if
  :: migration[m].book -> migration[m].ending = true
  :: else
  fi
}

/* --- the head: migrations.ts --- */

inline send(d, word, m, packets) {
  if
  :: at[d].cutDown
  :: else -> assert(nfull(at[d].down)); at[d].down ! word, m, packets
  fi
}

/* It is the worker's again. */
inline keep(c, d) {
  at[d].inUse--;
  client[c].on = NONE
}

/* Unless a new connection has these ends by now. */
inline releaseEntry(m) {
#ifdef NO_OWNER
  table = PASS
#else
  if
  :: movingName == m -> movingName = NONE; table = PASS
  :: else
  fi
#endif
}

/* It is as it was before it was begun. */
inline release(m, isToBeTold) {
  migration[m].phase = IDLE;
  printf("TRACE 9 %d release\n", m);
  client[migration[m].whose].deaf = false;
  if
  :: client[migration[m].whose].socket == FROZEN -> client[migration[m].whose].socket = OPEN
  :: else
  fi;
  speakAtHead(migration[m].whose);
  releaseEntry(m);
#ifndef NO_ABORT
  if
  :: isToBeTold -> send(migration[m].to, ABORT, m, 0)
  :: else
  fi
#endif
}

inline takeBack(m, isToBeTold) {
  release(m, isToBeTold);
  keep(migration[m].whose, migration[m].to)
}

#define IS_UNCHANGED(c) (client[c].socket == FROZEN && client[c].got == client[c].seen)

/* Before each of its calls the head may be killed. */
#define ALIVE if :: headLives :: else -> goto killed fi

inline begin(c) {
  atomic {
    ALIVE;
    /* It has no ends any more. */
    if
    :: client[c].socket == OVER -> keep(c, client[c].on); goto begun
    :: else
    fi;
    m = last;
    last++;
    migration[m].whose = c;
    migration[m].to = client[c].on;
#ifndef NO_SUPERSEDE
    if
    :: byName != NONE -> migration[byName].book = false; byName = NONE
    :: else
    fi;
#endif
    unclaimed = NONE;
    check = false;
    if
    :: mayFill -> mayFill = false; keep(c, migration[m].to); goto begun
    :: true ->
#ifndef NO_MARK
      table = MARK;
#endif
      movingName = m
    :: mayHold -> table = HOLD; movingName = m; migration[m].isHeld = true
    fi
  };
  atomic {
    ALIVE;
    if
    :: client[c].socket == OVER -> releaseEntry(m); keep(c, migration[m].to); goto begun
    :: else ->
      client[c].socket = FROZEN;
      client[c].seen = client[c].got;
      migration[m].phase = MOVING;
      printf("TRACE 9 %d adopt\n", m);
      send(migration[m].to, ADOPT, m, client[c].seen)
    fi
  }
}

inline copyAgain(m) {
  if
  :: migration[m].isHeld -> takeBack(m, true)
  :: else -> release(m, true)
  fi
}

#ifdef NO_HOLD
#define HAS_COME(c) true
#else
#define HAS_COME(c) (!client[c].isBehindTable)
#endif

inline onAdopted(m, c, d) {
  atomic {
    ALIVE;
    if
    :: !IS_UNCHANGED(c) -> copyAgain(m); goto heard
    :: else
    fi
  };
#ifdef TRUST_HOLD
  if
  :: migration[m].isHeld -> goto still
  :: else
  fi;
#endif
#ifndef NO_HOLD
  atomic { ALIVE; table = HOLD; movingName = m };
#endif
#ifndef NO_SECOND_LOOK
  atomic {
    ALIVE;
#ifndef NO_DEAFEN
    client[c].deaf = true;
#endif
    if
    :: !IS_UNCHANGED(c) -> copyAgain(m); goto heard
    :: else
    fi
  };
#endif
#ifdef TRUST_HOLD
still:
#endif
#ifdef COMMIT_FIRST
  atomic { ALIVE; printf("TRACE 9 %d commit\n", m); send(d, COMMIT, m, 0) };
#endif
  atomic { ALIVE; printf("TRACE 9 %d forward\n", m); movingName = NONE; table = FORWARD; steeredTo = d; check = false };
  /* What was past the table when the hold was set has come by now: microseconds, to some tens of them. */
  atomic { HAS_COME(c) || !headLives -> ALIVE; client[c].socket = NO_SOCKET };
  atomic {
    ALIVE;
    migration[m].phase = UNCONFIRMED;
    migration[m].book = true;
    byName = m;
    settle(c, TAKEN);
#ifndef COMMIT_FIRST
    printf("TRACE 9 %d commit\n", m);
    send(d, COMMIT, m, 0)
#endif
  }
}

inline hear(d) {
  atomic {
    headLives && at[d].registered && nempty(at[d].up) ->
    at[d].up ? word, m;
    if
    :: word == LIVE && migration[m].phase == UNCONFIRMED -> migration[m].phase = IDLE; printf("TRACE 9 %d confirmed\n", m); goto heard
    :: word == LIVE && migration[m].phase != UNCONFIRMED -> goto heard
    :: word == ENDED -> assert(at[d].inUse > 0); at[d].inUse--; ended(m); goto heard
    :: word == REFUSED ->
      if
      :: migration[m].phase == MOVING -> takeBack(m, false)
      :: migration[m].phase == UNCONFIRMED ->
        migration[m].phase = IDLE;
#ifndef NO_CREDIT_BACK
        at[d].inUse--;
#endif
        resetAway(m)
      :: migration[m].phase == IDLE ->
#ifdef COUNT_TWICE
        keep(migration[m].whose, d)
#else
        skip
#endif
      fi;
      goto heard
    :: word == ADOPTED && migration[m].phase != MOVING ->
#ifdef LATE_WORD
      send(d, COMMIT, m, 0);
#endif
      goto heard
    :: else
    fi
  };
  onAdopted(m, migration[m].whose, d)
}

inline endOf(m, d, isDead) {
  if
  :: migration[m].to == d && migration[m].phase == MOVING -> takeBack(m, true)
  :: migration[m].to == d && migration[m].phase == UNCONFIRMED ->
    migration[m].phase = IDLE;
    if
    :: isDead -> resetAway(m)
    :: !isDead && migration[m].book -> migration[m].doubt = true; printf("TRACE 9 %d doubt\n", m)
    :: else
    fi
  :: else
  fi
}

inline leave(c, d) {
  if
  :: client[c].on == d -> keep(c, d)
  :: else
  fi
}

/* The delivery is dropped. `isDead`: it speaks for nothing that it had not said to live. */
inline end(d, isDead) {
  endOf(0, d, isDead); endOf(1, d, isDead);
  leave(0, d); leave(1, d);
  at[d].registered = false;
  at[d].isReset = false;
  m = 0
}

inline register(d) {
  do
  :: at[d].down ? _, _, _
  :: at[d].up ? _, _
  :: empty(at[d].down) && empty(at[d].up) -> break
  od;
  at[d].registered = true;
  at[d].session = true;
  at[d].unsaid = NONE;
  at[d].inUse = (at[d].live != NONE);
  claim(d);
  m = 0;
  word = LIVE
}

#define IS_PLACEABLE(c) (c < accepted && client[c].on == NONE && client[c].outcome == UNSETTLED)
#define CAN_TAKE(d) (at[d].registered && at[d].inUse < CREDITS && last < IDS)
#define IS_ON_ITS_WAY(m, c) (migration[m].phase == MOVING && migration[m].whose == c)
#define IS_WAITING(c) (client[c].on != NONE && !IS_ON_ITS_WAY(0, c) && !IS_ON_ITS_WAY(1, c))

inline place(c) {
  if
  :: client[c].socket == OVER -> settle(c, GONE)
  :: client[c].socket == OPEN && CAN_TAKE(0) -> client[c].on = 0; at[0].inUse++
  :: client[c].socket == OPEN && CAN_TAKE(1) -> client[c].on = 1; at[1].inUse++
  :: client[c].socket == OPEN && !CAN_TAKE(0) && !CAN_TAKE(1) ->
    speakAtHead(c);
    settle(c, FALLBACK);
    client[c].socket = NO_SOCKET;
    client[c].done = true
  /* To a delivery on this host, which answers when it has all. */
  :: client[c].socket == OPEN && c == 1 -> speakAtHead(c); settle(c, LOCAL)
  fi
}

/* The owner of flows that nobody speaks for: its host is asked, and then the clients. */
#define IS_ORPHANED(d) (!at[d].registered && table == FORWARD && steeredTo == d && (unclaimed == d || byName != NONE))
inline look(d) {
  if
  :: !at[d].host && unclaimed == d -> unclaimed = NONE; tell()
  :: !at[d].host && unclaimed != d -> m = byName; drop(m); m = 0
  :: at[d].host && !HAS(d, NEWEST) && !client[NEWEST].done && !AT_THE_HEAD(NEWEST) -> reset(NEWEST)
  fi
}
#ifdef NO_ASK
#define MAY_LOOK(d) (IS_ORPHANED(d) && !at[d].host)
#else
#define MAY_LOOK(d) (IS_ORPHANED(d) && (!at[d].host || (!HAS(d, NEWEST) && !client[NEWEST].done && !AT_THE_HEAD(NEWEST))))
#endif

/* Its process has ended or has closed the link, and all that it had said is read. */
#define HAS_CLOSED(d) (at[d].registered && !at[d].cutUp && empty(at[d].up) && (!at[d].lives || !at[d].session))
#define IS_CUT(d) (at[d].registered && (at[d].cutDown || at[d].cutUp))
#define MAY_DROP(d) (at[d].registered && (mayDrop || at[d].frozen))
#define MAY_REGISTER(d) (!at[d].registered && at[d].lives && !at[d].frozen && !at[d].session && !at[d].cutDown && !at[d].cutUp)
#ifdef RESET_DOUBTFUL
#define MAY_LIVE true
#else
#define MAY_LIVE false
#endif
#ifdef TRUST_RESET
#define CUT_IS true
#else
#define CUT_IS MAY_LIVE
#endif
#define EXPIRES(m) (migration[m].phase == MOVING)

inline forget(m) {
  migration[m].ending = false;
  migration[m].book = false;
  if
  :: byName == m -> byName = NONE; table = PASS; check = false
  :: else
  fi
}


inline forgetAll(m) {
  migration[m].phase = IDLE;
  migration[m].book = false;
  migration[m].doubt = false;
  migration[m].ending = false
}

proctype Head() {
  mtype word = LIVE;
  byte m;
begun:
heard:
  atomic { m = 0; word = LIVE };
endWaits:
  do
  :: atomic { headLives && accepted < connections && (accepted == 0 || (client[0].done && !AT_THE_HEAD(0))) ->
      client[accepted].socket = OPEN;
      client[accepted].got = (sends && accepted + 1 == connections -> 1 : PACKETS);
      client[accepted].acked = client[accepted].got;
      accepted++;
      if
      :: table == FORWARD -> table = PASS
      :: else
      fi
    }
  :: atomic { headLives && IS_PLACEABLE(0) -> place(0) }
  :: atomic { headLives && IS_PLACEABLE(1) -> place(1) }
  :: atomic { headLives && client[1].outcome == LOCAL && client[1].got == PACKETS && client[1].socket != NO_SOCKET -> client[1].socket = NO_SOCKET; client[1].done = true }
  :: atomic { headLives && IS_WAITING(0) && last == IDS -> keep(0, client[0].on) }
  :: atomic { headLives && IS_WAITING(1) && last == IDS -> keep(1, client[1].on) }
  :: atomic { headLives && IS_WAITING(0) && last < IDS -> skip }; begin(0)
  :: atomic { headLives && IS_WAITING(1) && last < IDS -> skip }; begin(1)
  :: hear(0)
  :: hear(1)
  :: atomic { headLives && EXPIRES(0) -> takeBack(0, true) }
  :: atomic { headLives && EXPIRES(1) -> takeBack(1, true) }
  :: atomic { headLives && MAY_DROP(0) -> mayDrop = false; end(0, MAY_LIVE) }
  :: atomic { headLives && MAY_DROP(1) -> mayDrop = false; end(1, MAY_LIVE) }
  :: atomic { headLives && HAS_CLOSED(0) -> end(0, !at[0].isReset || CUT_IS) }
  :: atomic { headLives && HAS_CLOSED(1) -> end(1, !at[1].isReset || CUT_IS) }
  :: atomic { headLives && IS_CUT(0) -> end(0, CUT_IS) }
  :: atomic { headLives && IS_CUT(1) -> end(1, CUT_IS) }
  :: atomic { headLives && MAY_REGISTER(0) -> register(0) }
  :: atomic { headLives && MAY_REGISTER(1) -> register(1) }
  :: atomic { headLives && MAY_LOOK(0) -> look(0) }
  :: atomic { headLives && MAY_LOOK(1) -> look(1) }
  :: atomic { headLives && migration[0].ending -> forget(0) }
  :: atomic { headLives && migration[1].ending -> forget(1) }
  :: atomic { !headLives -> goto killed }
  od;
killed:
  /* A successor finds the table, and nothing else. */
  atomic {
    forgetAll(0); forgetAll(1);
    byName = NONE;
    movingName = NONE;
    unclaimed = NONE;
    if
    :: table == FORWARD -> unclaimed = steeredTo
    :: table == MARK || table == HOLD -> tell()
    :: table == PASS
    fi;
    headLives = true;
    goto begun
  }
}

/* --- a delivery: remote/adoptions.ts, adopted-flows.ts, session.ts --- */

#define RUNS(d) (at[d].lives && !at[d].frozen)
/* In a run that is printed (spin -T): another one after its death. */
#define PROCESS(d) (1 + 2 * (d) + !mayDie[d])

inline say(d, word, m) {
  if
  :: at[d].cutUp || !at[d].session
  :: else -> assert(nfull(at[d].up)); at[d].up ! word, m
  fi
}

inline sayLive(d) {
  if
  :: at[d].unsaid != NONE -> say(d, LIVE, at[d].unsaid); at[d].unsaid = NONE
  :: else
  fi
}

/* Its socket is closed, and its kernel is done with it. */
inline closed(d) {
  if
  :: at[d].live != NONE -> printf("TRACE %d %d closed\n", PROCESS(d), at[d].live); say(d, ENDED, at[d].live); at[d].live = NONE
  :: else
  fi
}

inline adopt(d, m, packets) {
  if
  :: mayRefuse -> mayRefuse = false; say(d, REFUSED, m)
  /* Of an old connection with these ends, which its client has reset. */
  :: at[d].prepared != NONE -> say(d, REFUSED, m)
  :: at[d].prepared == NONE ->
    /* A new connection with these ends: what this host has of an old one makes way. */
    assert(at[d].live == NONE || client[migration[at[d].live].whose].done);
    closed(d);
    printf("TRACE %d %d prepare\n", PROCESS(d), m);
    at[d].prepared = m;
    at[d].got = packets;
    say(d, ADOPTED, m)
  fi
}

inline commit(d, m) {
  assert(at[d].prepared == m);
  at[d].prepared = NONE;
  printf("TRACE %d %d activate\n", PROCESS(d), m);
  if
  :: mayFail -> printf("TRACE %d %d refuse\n", PROCESS(d), m); mayFail = false; say(d, REFUSED, m)
  :: true ->
    speak(d, migration[m].whose);
    sayLive(d);
    at[d].live = m;
    at[d].unsaid = m
  fi
}

inline abort(d, m) {
  if
  :: at[d].prepared == m -> printf("TRACE %d %d abandon\n", PROCESS(d), m); at[d].prepared = NONE
  :: else
  fi
}

inline speakReset(c) {
  assert(!AT_THE_HEAD(c) || client[c].socket == FROZEN);
  reset(c)
}

/* The link has ended, and no word will come. */
inline endSession(d) {
#ifdef RESET_PREPARED
  if
  :: at[d].prepared != NONE -> speakReset(migration[at[d].prepared].whose)
  :: else
  fi;
#endif
  if
  :: at[d].prepared != NONE -> printf("TRACE %d %d abandon\n", PROCESS(d), at[d].prepared); at[d].prepared = NONE
  :: else
  fi;
  sayLive(d);
  at[d].session = false
}

#define LINK_HAS_ENDED(d) (at[d].cutDown || at[d].cutUp || (!at[d].registered && empty(at[d].down)))

proctype Delivery(byte d) {
  mtype word = LIVE;
  byte m;
  byte packets;
endWaits:
  do
  :: atomic { RUNS(d) && at[d].session && nempty(at[d].down) ->
      at[d].down ? word, m, packets;
      if
      :: word == ADOPT -> adopt(d, m, packets)
      :: word == COMMIT -> commit(d, m)
      :: word == ABORT -> abort(d, m)
      fi;
      word = LIVE; m = 0; packets = 0
    }
  :: atomic { RUNS(d) && at[d].session && at[d].unsaid != NONE -> sayLive(d) }
  /* Its application has answered. */
  :: atomic { RUNS(d) && at[d].live != NONE -> client[migration[at[d].live].whose].done = true; closed(d) }
  :: atomic { RUNS(d) && at[d].session && LINK_HAS_ENDED(d) -> endSession(d) }
  od
}

/* --- the client, the network, and what may go wrong --- */

/* Whoever its packets are sent to can do nothing with them. */
#define GOES_WRONG(c) (table == FORWARD && !(check && AT_THE_HEAD(c)) && !HAS(steeredTo, c) && \
  (!at[steeredTo].host || at[steeredTo].live != NONE || at[steeredTo].prepared != NONE))

/* It has more to send, now and again until that is acknowledged; what is held is as good as not sent. */
#define SENDS(c) (c + 1 == accepted && !client[c].done && !client[c].isBehindTable && client[c].acked < PACKETS && \
  table != HOLD && !GOES_WRONG(c))

inline lookup(c) {
  if
  :: table == FORWARD && check && AT_THE_HEAD(c) -> table = PASS; client[c].isBehindTable = true
  :: table == FORWARD && !(check && AT_THE_HEAD(c)) && HAS(steeredTo, c) -> at[steeredTo].got++; client[c].acked++
  :: table == FORWARD && !(check && AT_THE_HEAD(c)) && !HAS(steeredTo, c) -> assert(client[c].socket != OPEN); reset(c)
  :: table != FORWARD -> client[c].isBehindTable = true
  fi
}

inline arrive(c) {
  client[c].isBehindTable = false;
  if
  :: AT_THE_HEAD(c) && !client[c].deaf -> client[c].got++; client[c].acked++
  :: client[c].socket == NO_SOCKET && !client[c].done ->
    /* Not what is steered to who has it. */
    assert(table != FORWARD || !HAS(steeredTo, c));
    reset(c)
  :: else
  fi
}

/* kill -9: its kernel closes what it had: without a word what was frozen, with a reset the rest. */
inline loseSocket(c) {
  client[c].on = NONE;
  if
  :: client[c].outcome == LOCAL
  :: else ->
    if
    :: client[c].socket == OPEN || client[c].isBehindTable -> reset(c)
    :: else
    fi;
    client[c].isBehindTable = false;
    client[c].socket = NO_SOCKET;
    client[c].deaf = false;
    if
    :: c < accepted && client[c].outcome == UNSETTLED -> client[c].outcome = KILLED
    :: else
    fi
  fi
}

inline die(d) {
  at[d].lives = false;
  at[d].frozen = false;
  at[d].prepared = NONE;
  at[d].unsaid = NONE;
  at[d].session = false;
  if
  :: at[d].live != NONE -> c = migration[at[d].live].whose; at[d].live = NONE
  :: else -> c = NONE
  fi
}

inline fault(d) {
  if
  :: atomic { mayDie[d] && at[d].lives ->
      mayDie[d] = false;
      die(d);
      if
      :: c != NONE -> client[c].done = true
      :: else
      fi;
      c = 0;
      /* What it had said on its way may be lost with a link that is reset. */
      if
      :: true
      :: at[d].isReset = true;
        do
        :: at[d].up ? _, _
        :: empty(at[d].up) -> break
        od
      fi
    }
  :: atomic { restarts && !at[d].lives && at[d].host -> restarts = false; at[d].lives = true }
  :: atomic { mayGoDown[d] -> mayGoDown[d] = false; die(d); c = 0; at[d].host = false; at[d].cutDown = true; at[d].cutUp = true }
  :: atomic { mayFreeze[d] && at[d].lives -> mayFreeze[d] = false; at[d].frozen = true }
  :: atomic { mayCut[d] && !at[d].cutDown -> at[d].cutDown = true }
  :: atomic { mayCut[d] && !at[d].cutUp -> at[d].cutUp = true }
  :: atomic { heals && (at[d].cutDown || at[d].cutUp) && at[d].host && !at[d].registered && !at[d].session ->
      mayCut[d] = false; at[d].cutDown = false; at[d].cutUp = false }
  fi
}

proctype World() {
  byte c;
endWaits:
  do
  :: atomic { SENDS(0) -> lookup(0) }
  :: atomic { SENDS(1) -> lookup(1) }
  :: atomic { client[0].isBehindTable -> arrive(0) }
  :: atomic { client[1].isBehindTable -> arrive(1) }
  /* A hold ends by itself. */
  :: atomic { table == HOLD -> table = MARK }
  :: atomic { mayLeave && accepted == 1 && !client[0].done ->
      mayLeave = false;
      client[0].done = true;
      if
      :: AT_THE_HEAD(0) && (table == PASS || table == MARK) && !client[0].deaf -> client[0].socket = OVER
      :: else
      fi
    }
  :: atomic { mayKill && headLives && accepted > 0 ->
      mayKill = false;
      headLives = false;
      at[0].registered = false; at[1].registered = false;
      loseSocket(0); loseSocket(1)
    }
  :: fault(0)
  :: fault(1)
  od
}

/* --- nobody waits in vain --- */

#define WAITS_FOR_A_FROZEN_ONE(c) ((at[0].frozen && HAS(0, c)) || (at[1].frozen && HAS(1, c)))
#define IS_EVEN(d) (!at[d].registered || at[d].frozen || at[d].inUse == 0)

inline check_(c) {
  assert(c >= accepted || client[c].outcome != UNSETTLED);
  assert(c >= accepted || client[c].done || WAITS_FOR_A_FROZEN_ONE(c))
}

init {
  atomic {
    client[0].on = NONE; client[1].on = NONE;
    client[0].socket = NO_SOCKET; client[1].socket = NO_SOCKET;
    client[0].outcome = UNSETTLED; client[1].outcome = UNSETTLED;
    migration[0].phase = IDLE; migration[1].phase = IDLE;
    at[0].lives = true; at[0].host = true; at[0].prepared = NONE; at[0].live = NONE; at[0].unsaid = NONE;
    at[1].lives = true; at[1].host = true; at[1].prepared = NONE; at[1].live = NONE; at[1].unsaid = NONE;
    if
    :: sends = true; mayRefuse = true; mayFill = true; mayFail = true
    :: sends = true; mayKill = true
    :: mayKill = true; mayCut[0] = true
    :: sends = true; mayDie[0] = true; restarts = true; mayDrop = true
    :: mayFreeze[0] = true; mayDie[0] = true
    :: mayFreeze[0] = true; mayKill = true
    :: mayGoDown[0] = true; mayRefuse = true
    :: mayCut[0] = true
    :: mayCut[0] = true; heals = true
    :: mayDrop = true; mayCut[1] = true
    :: mayDie[0] = true; mayDie[1] = true
    :: connections = 2; sends = true; mayLeave = true; mayHold = false; mayKill = true
    :: connections = 2; sends = true; mayLeave = true; mayHold = false; mayDie[0] = true
    :: connections = 2; sends = true; mayLeave = true; mayHold = false; mayCut[0] = true; heals = true
    :: connections = 2; sends = true; mayLeave = true; mayHold = false; mayFail = true
    fi;
    at[0].registered = true; at[0].session = true;
    at[1].registered = true; at[1].session = true;
    run Delivery(0);
    run Delivery(1);
    run World();
    run Head()
  };
  timeout -> atomic {
    if
    :: true ->
      check_(0); check_(1);
      assert(!headLives || (IS_EVEN(0) && IS_EVEN(1)));
      assert(at[0].prepared == NONE || at[0].frozen);
      assert(at[1].prepared == NONE || at[1].frozen)
    fi
  }
}
