/*
 * Distribution by request (../moving.md), as a model for spin(1): a head, two deliveries, two connections whose clients send three
 * requests in all, one behind the other or not, and every order in which their steps can follow each other, with a head that dies
 * or freezes and a delivery that dies at each of them. How a connection is handed over, and how it is given back by itself, is in
 * handoff.pml and move.pml; here is what becomes of the next request before anybody has read it.
 *
 * A request is one unit in the socket, which is the same socket whoever has the connection. The kernel tells once of what comes
 * (EPOLLET), to all that watch. What stands in one `atomic` is what one thread does without going back to its event loop, or one call.
 * Both connections may be asked about in one message, which has one answer; one message is on its way at a time.
 *
 * Shown: of what goes no request has begun (assert in put and letGo); only who has a connection reads it (assert in read); and when
 * nothing moves any more, every request of a connection that lives has been answered, but where its delivery has asked a head
 * that is frozen (assert in init).
 *
 * A run that is printed (spin -T) says its steps in the words of shared/trace.ts, for the checker of traces.
 *
 * Each macro leaves one check out, and the model then fails:
 *   NO_BOUNDARY     Distributor.#look: a connection is asked about in the middle of a request
 *   NO_HOLD         Distributor.#offer: what is asked about is not held
 *   NO_MISSED       Distributor.#look: what the kernel has told of one that is held is forgotten
 *   NO_MARK         Distributor.#serveHere: what was to be served, and its mover has held meanwhile, is not looked at when that is over
 *   NO_SERVE        Distributor.#serveHere: what stays is not looked at again
 *   NO_REST         Distributor.#serve: what may be longer than what is looked at is not left to Node
 *   NO_GIVE_UP      Room: one that waits for room waits for a head that is frozen
 *   MOVE_UNSAID     AskedConnections: moves what its delivery could not be told of
 *   NO_RESUME       DeliveryWayBack: what was asked about and has no word stays held at the end
 */

/* The head, as the owner of a connection. */
#define HEAD 2
#define REQUESTS 3
/* How often one is asked about or given, all together. */
#define ASKS 2
/* As many requests as are looked at. */
#define LENGTH 2

mtype = { MOVES, STAYS };

typedef Connection {
  /* In the socket. */
  byte unread;
  byte sent;
  byte answered;
  /* Whose it is; it has ended with that one. */
  byte owner;
  bool lost;
  /* It is in a message that nobody has decided about: who dies has given it up. */
  bool isAsked;
}
Connection conn[2];

/* What a delivery knows of a connection. */
typedef Watch {
  bool copy;
  bool held;
  /* In the epoll of the delivery's own, and not read by Node. */
  bool ours;
  /* The kernel has something to tell. */
  bool edge;
  bool missed;
  bool queued;
  /* Held by the mover, which gives it because it is drained, and not by the distributor. */
  bool given;
  /* A callback of its own is to come, which looks at it, or serves it here. */
  bool toLook;
  bool toServe;
  byte begun;
}

typedef Delivery {
  Watch w[2];
  bool lives;
  bool fails;
  chan down = [2] of { byte };
  /* Which are asked about, as two bits; and what becomes of each. */
  chan asked = [1] of { byte };
  chan words = [1] of { byte, mtype, mtype };
  /* To be asked about in the next message; and one is on its way. */
  byte asking;
  bool unanswered;
}
Delivery at[2];

bool headLives = true;
bool headFrozen;
bool mayKill;
bool mayFreeze;
bool mayBlock;
byte sends;
byte asks;

#define W at[d].w[c]

/* --- a delivery --- */

/* So many of those that are there, at most. */
inline read(d, c, most) {
  assert(W.copy && !W.held && conn[c].owner == d);
  n = 0;
  do
  :: n < most && conn[c].unread > 0 ->
    printf("TRACE %d request %d\n", d, c);
    conn[c].unread--;
    W.begun++;
    n++
  :: else -> break
  od;
  n = 0
}

/* The kernel tells at once of what is there. */
inline watch(d, c) {
  W.ours = true;
  W.edge = (conn[c].unread > 0)
}

inline leaveToServer(d, c) {
  printf("TRACE %d leaveToServer %d\n", d, c);
  W.queued = false;
  W.ours = false;
  W.edge = false
}

inline serve(d, c) {
  W.queued = false;
  if
  :: conn[c].unread >= LENGTH ->
#ifdef NO_REST
    readSeen(d, c);
    read(d, c, LENGTH - 1)
#else
    leaveToServer(d, c)
#endif
  :: else ->
    readSeen(d, c);
    read(d, c, LENGTH)
  fi
}

/* What is seen in it is read, of as much as is looked at. */
inline readSeen(d, c) {
  printf("TRACE %d read %d %d %d\n", d, c, conn[c].unread, LENGTH)
}

/* It stays, and nobody would tell of it again. */
inline serveHere(d, c) {
  W.queued = false;
  if
  :: !W.copy || !W.ours
  /* Its mover was quicker. */
  :: W.copy && W.ours && W.held ->
#ifndef NO_MARK
    W.missed = true
#else
    skip
#endif
  :: W.copy && W.ours && !W.held && W.begun == 0 -> serve(d, c)
  :: W.copy && W.ours && !W.held && W.begun > 0 -> leaveToServer(d, c)
  fi
}

inline put(d, c) {
  assert(W.begun == 0);
  asks++;
#ifndef NO_HOLD
  W.held = true;
#endif
  at[d].asking = at[d].asking | (1 << c)
}

#ifdef NO_BOUNDARY
#define IN_REQUEST false
#else
#define IN_REQUEST (W.begun > 0)
#endif

inline look(d, c) {
  if
  :: !W.copy
  :: W.copy && W.held ->
    printf("TRACE %d told %d\n", d, c);
#ifndef NO_MISSED
    W.missed = true
#else
    skip
#endif
  :: W.copy && !W.held && (!W.ours || W.queued) -> W.missed = false
  :: W.copy && !W.held && W.ours && !W.queued ->
    W.missed = false;
    if
    :: IN_REQUEST -> leaveToServer(d, c)
    :: !IN_REQUEST && conn[c].unread == 0
    /* It keeps it. */
    :: !IN_REQUEST && conn[c].unread > 0 -> serve(d, c)
    /* It asks, or waits until it can. */
    :: !IN_REQUEST && conn[c].unread > 0 && asks < ASKS && !at[d].unanswered ->
      printf("TRACE %d ask %d\n", d, c);
      put(d, c)
    :: !IN_REQUEST && conn[c].unread > 0 && asks < ASKS && at[d].unanswered ->
      printf("TRACE %d wait %d\n", d, c);
      W.queued = true
    fi
  fi
}

inline release(d, c) {
  if
  :: W.held ->
    W.held = false;
    printf("TRACE %d stay %d\n", d, c);
    if
    :: W.missed -> W.toLook = true
    :: else
    fi
#ifndef NO_SERVE
    ;
    W.toServe = W.toServe || !W.given
#endif
  :: else
  fi;
  W.given = false
}

inline letGo(d, c) {
  assert(W.begun == 0);
  printf("TRACE %d finish %d\n", d, c);
  forget(d, c)
}

inline forget(d, c) {
  W.copy = false; W.held = false; W.ours = false; W.edge = false; W.missed = false;
  W.queued = false; W.given = false; W.toLook = false; W.toServe = false; W.begun = 0
}

inline hear(d, c, what) {
  if
  :: what == MOVES -> letGo(d, c)
  :: else -> release(d, c)
  fi
}

/* There is room on the way. */
inline made(d) {
  at[d].unanswered = false;
  at[d].w[0].toLook = at[d].w[0].toLook || at[d].w[0].queued;
  at[d].w[1].toLook = at[d].w[1].toLook || at[d].w[1].queued;
  at[d].w[0].queued = false;
  at[d].w[1].queued = false
}

inline send(d) {
  if
  :: headLives ->
    at[d].asked ! at[d].asking;
    at[d].unanswered = true;
    conn[0].isAsked = conn[0].isAsked || (at[d].asking & 1) > 0;
    conn[1].isAsked = conn[1].isAsked || (at[d].asking & 2) > 0
  :: else ->
    if
    :: (at[d].asking & 1) > 0 -> c = 0; release(d, c)
    :: else
    fi;
    if
    :: (at[d].asking & 2) > 0 -> c = 1; release(d, c); c = 0
    :: else
    fi
  fi;
  at[d].asking = 0
}

/*
 * It comes with what is there, which is read before anything is watched. One that comes again before it is heard that it has gone is
 * another socket to its delivery; here it waits for that.
 */
inline come(d, who) {
  c = who;
  printf("TRACE %d take %d\n", d, c);
  conn[c].owner = d;
  W.copy = true;
  printf("TRACE %d watch %d\n", d, c);
  read(d, c, REQUESTS);
  watch(d, c);
  c = 0
}

#define RESTS(d, c) (at[d].w[c].copy && !at[d].w[c].held && at[d].w[c].begun == 0)
#define NODE_READS(d, c) (at[d].w[c].copy && !at[d].w[c].held && !at[d].w[c].ours && conn[c].unread > 0)
#define CAN_GIVE(d) (asks < ASKS && headLives && !at[d].unanswered && at[d].asking == 0)

/* One connection's part of what a delivery does. */
inline turnOf(d, who) {
  c = who;
  if
  :: W.edge -> W.edge = false; look(d, c)
  :: W.toLook -> W.toLook = false; look(d, c)
  :: W.toServe -> W.toServe = false; serveHere(d, c)
  :: NODE_READS(d, c) -> read(d, c, REQUESTS)
  :: W.copy && W.begun > 0 ->
    printf("TRACE %d response %d\n", d, c);
    W.begun--;
    conn[c].answered++
  /* An answer has ended, and what comes next is looked at again. */
  :: RESTS(d, c) && !W.ours ->
    printf("TRACE %d watch %d\n", d, c);
    watch(d, c)
  /* It is drained by moving. */
  :: RESTS(d, c) && !W.toLook && CAN_GIVE(d) ->
    printf("TRACE %d give %d\n", d, c);
    put(d, c);
    W.given = true;
    W.queued = false;
    send(d)
#ifndef NO_GIVE_UP
  /* It has waited for room for long enough. */
  :: W.queued -> serveHere(d, c)
#endif
  fi;
  c = 0
}

#define HAS_TURN(d, c) (at[d].w[c].edge || at[d].w[c].toLook || at[d].w[c].toServe || at[d].w[c].queued || NODE_READS(d, c) || \
  (at[d].w[c].copy && at[d].w[c].begun > 0) || (RESTS(d, c) && (!at[d].w[c].ours || CAN_GIVE(d))))

proctype Deliver(byte d) {
  byte c;
  byte n;
  byte bits;
  mtype first = STAYS;
  mtype second = STAYS;
endWaits:
  do
  :: atomic { at[d].down ? [0] && !at[d].w[0].copy -> at[d].down ? 0; come(d, 0) }
  :: atomic { at[d].down ? [1] && !at[d].w[1].copy -> at[d].down ? 1; come(d, 1) }
  :: atomic { HAS_TURN(d, 0) -> turnOf(d, 0) }
  :: atomic { HAS_TURN(d, 1) -> turnOf(d, 1) }
  /* When all that were told of together have been looked at. */
  :: atomic { at[d].asking != 0 && !at[d].unanswered -> send(d) }
  :: atomic { at[d].words ? bits, first, second ->
      made(d);
      if
      :: (bits & 1) > 0 -> c = 0; hear(d, c, first)
      :: else
      fi;
      if
      :: (bits & 2) > 0 -> c = 1; hear(d, c, second); c = 0
      :: else
      fi;
      bits = 0; first = STAYS; second = STAYS
    }
  /* The end of the way back: what has no word stays. */
  :: atomic { !headLives && empty(at[d].words) && at[d].unanswered ->
      made(d);
#ifndef NO_RESUME
      c = 0; release(d, c);
      c = 1; release(d, c); c = 0
#endif
    }
  :: atomic { at[d].fails -> goto dies }
  od;
dies:
  atomic {
    printf("TRACE %d dies\n", d);
    at[d].lives = false;
    do
    :: c < 2 ->
      if
      :: W.copy && conn[c].owner == d && !conn[c].isAsked -> conn[c].lost = true
      :: else
      fi;
      forget(d, c);
      c++
    :: else -> break
    od;
    at[d].asking = 0;
    c = 0
  }
}

/* --- the head --- */

inline offer(c, to) {
  if
  :: at[to].lives -> printf("TRACE 9 offer %d %d\n", c, to); at[to].down ! c
  :: !at[to].lives && at[1 - to].lives -> printf("TRACE 9 offer %d %d\n", c, 1 - to); at[1 - to].down ! c
  :: else -> conn[c].lost = true
  fi
}

/* Whose it is. Where a delivery that has died is told to keep one, it ends with it. */
inline settle(c, d, what) {
  conn[c].isAsked = false;
  if
  :: what == MOVES -> printf("TRACE 9 regain %d %d\n", c, d); conn[c].owner = HEAD
  :: what == STAYS && !at[d].lives -> conn[c].lost = true
  :: what == STAYS && at[d].lives -> printf("TRACE 9 decline %d %d\n", c, d)
  fi
}

inline choose(d, what) {
  if
  :: at[1 - d].lives -> what = MOVES
  :: at[d].lives -> what = STAYS
  :: !at[d].lives && !at[1 - d].lives -> what = STAYS
  fi
}

inline decide(d) {
  atomic {
    at[d].asked ? bits;
    if
    :: (bits & 1) > 0 -> choose(d, first)
    :: else
    fi;
    if
    :: (bits & 2) > 0 -> choose(d, second)
    :: else
    fi
  };
  if
  :: mayKill -> goto killed
  :: mayFreeze -> goto freezes
  :: true
  fi;
  atomic {
    if
    :: true -> skip
    /* There is no room for the answer: those words that say that each stays leave when there is. */
    :: mayBlock && at[d].lives ->
      mayBlock = false;
#ifndef MOVE_UNSAID
      first = STAYS; second = STAYS;
#else
      blocked = true
#endif
    fi;
    if
    :: (bits & 1) > 0 -> settle(0, d, first)
    :: else
    fi;
    if
    :: (bits & 2) > 0 -> settle(1, d, second)
    :: else
    fi;
    if
    :: at[d].lives && !blocked -> at[d].words ! bits, first, second
    :: else
    fi
  };
  if
  :: mayKill -> goto killed
  :: mayFreeze -> goto freezes
  :: true
  fi;
  atomic {
    if
    :: (bits & 1) > 0 && first == MOVES -> offer(0, (1 - d))
    :: else
    fi;
    if
    :: (bits & 2) > 0 && second == MOVES -> offer(1, (1 - d))
    :: else
    fi;
    bits = 0; first = STAYS; second = STAYS; blocked = false
  }
}

/* What a delivery that has died had not taken goes to the other. */
inline takeBack(d) {
  at[d].down ? bits;
  printf("TRACE 9 takeBack %d %d\n", bits, d);
  if
  :: at[1 - d].lives -> printf("TRACE 9 offer %d %d\n", bits, 1 - d); at[1 - d].down ! bits
  :: else -> conn[bits].lost = true
  fi;
  bits = 0
}

inline dieWith(c) {
  if
  :: conn[c].owner == HEAD -> conn[c].lost = true
  :: conn[c].isAsked && !at[conn[c].owner].lives -> conn[c].lost = true
  :: else
  fi;
  conn[c].isAsked = false
}

proctype Head() {
  byte bits;
  mtype first = STAYS;
  mtype second = STAYS;
  bool blocked;
endWaits:
  do
  :: atomic { nempty(at[0].asked) -> skip }; decide(0)
  :: atomic { nempty(at[1].asked) -> skip }; decide(1)
  :: atomic { !at[0].lives && nempty(at[0].down) -> takeBack(0) }
  :: atomic { !at[1].lives && nempty(at[1].down) -> takeBack(1) }
  :: mayKill -> goto killed
  :: mayFreeze -> goto freezes
  od;
killed:
  atomic {
    printf("TRACE 9 dies\n");
    headLives = false;
    do
    :: at[0].asked ? bits
    :: at[1].asked ? bits
    :: at[0].down ? bits
    :: at[1].down ? bits
    :: empty(at[0].asked) && empty(at[1].asked) && empty(at[0].down) && empty(at[1].down) -> break
    od;
    dieWith(0);
    dieWith(1);
    bits = 0;
    goto done
  };
freezes:
  headFrozen = true;
done:
  skip
}

/* --- the clients --- */

inline tell(d, c) {
  W.edge = W.edge || (W.copy && W.ours)
}

inline sendOn(c) {
  sends++;
  conn[c].unread++;
  conn[c].sent++;
  tell(0, c);
  tell(1, c)
}

proctype Clients() {
endWaits:
  do
  :: atomic { sends < REQUESTS && !conn[0].lost -> sendOn(0) }
  :: atomic { sends < REQUESTS && !conn[1].lost -> sendOn(1) }
  od
}

/* --- nobody waits in vain --- */

#define WAITS_FOR_FROZEN(c) (headFrozen && (conn[c].owner == HEAD || at[conn[c].owner].w[c].held || conn[c].isAsked))

inline check(c) {
  assert(conn[c].lost || conn[c].answered == conn[c].sent || WAITS_FOR_FROZEN(c))
}

init {
  atomic {
    at[0].lives = true;
    at[1].lives = true;
    at[0].w[0].copy = true; at[0].w[0].ours = true;
    at[0].w[1].copy = true; at[0].w[1].ours = true;
    if
    :: skip
    :: mayBlock = true
    :: mayKill = true
    :: mayFreeze = true
    :: at[0].fails = true
    :: at[1].fails = true
    fi;
    run Deliver(0);
    run Deliver(1);
    run Head();
    run Clients()
  };
  timeout -> atomic {
    if
    :: true -> printf("TRACE 9 still\n"); check(0); check(1)
    fi
  }
}
