/*
 * The local handoff (../handoff.md) as a model for spin(1): a head, two deliveries, two connections, and every order in
 * which their steps can follow each other, with a death, a freeze, a return or a broken word at each of them.
 *
 * A lane is two queues: `down` carries offered connections, `up` what the delivery says of them. What stands in one
 * `atomic` is one system call, or what one thread does between two of them; everything else may happen in between. A
 * process that is not scheduled is a slow one, so slowness needs no step of its own; a frozen one never goes on.
 *
 * Shown: never two applications that may speak on one connection (assert in speak); each connection ends in exactly
 * one outcome (assert in settle); no credit is exceeded or lost; and when nothing moves any more, nobody waits: each
 * connection has an outcome, and who has it lives or has closed it (the monitor's asserts).
 *
 * A run that is printed (spin -T) says its steps in the words of shared/trace.ts, for the checker of traces.
 *
 * Each macro leaves one check out, and the model then fails:
 *   NO_SHUTDOWN     FdLane.close: the head's end goes on taking words of a delivery that is let go
 *   NO_READ         FdLane.close: what the delivery said in time is not read
 *   NO_EMPTY        FdLane.close: what it has not received stays in its queue
 *   SERVE_UNSAID    DeliveryLane: serves a connection whose *taken* could not leave
 *   NO_COPY         the head closes its copy when it has sent the fd, not when it is taken
 *   NO_CREDIT_BACK  takeBack: a returned connection keeps its credit
 *   COUNT_TWICE     FdLane.#settle: a word about a settled connection counts again
 *   NO_LET_GO       Registry: a silent delivery is kept
 */

#define CONNECTIONS 2
#define CREDITS 2
#define NOBODY 9

mtype = { TAKEN, RETURNED, ENDED };
mtype = { UNSETTLED, TAKEN_BY_ONE, FALLBACK, KILLED };

typedef Lane {
  chan down = [2] of { byte };
  chan up = [8] of { mtype, byte };
  /* Words can leave: false after shutdown(SHUT_RD), or when the head is dead (EPIPE). */
  bool takes;
  /* The head knows the delivery, and gives it connections. */
  bool registered;
  byte inUse;
  /* The delivery: */
  bool lives;
  bool frozen;
  /* It will die or freeze at some moment; when not, it lives for ever. */
  bool fails;
  /* has a copy of the connection, and may speak on it. */
  bool copy[CONNECTIONS];
  bool serves[CONNECTIONS];
}
Lane lane[2];

bool headLives = true;
byte accepted;
bool headCopy[CONNECTIONS];
/* The lane that a connection is on, untaken. */
byte on[CONNECTIONS];
mtype outcome[CONNECTIONS];
/* Who was the first to speak on it. */
byte speaker[CONNECTIONS];
/* What may still happen, once, at any moment: a connection is returned, a word repeated, the head killed. */
bool mayReturn;
bool mayRepeat;
bool mayKill;

inline settle(c, how) {
  assert(outcome[c] == UNSETTLED);
  outcome[c] = how;
  headCopy[c] = false
}

inline speak(d, c) {
  assert(speaker[c] == NOBODY);
  speaker[c] = d;
  lane[d].serves[c] = true
}

/* --- the head --- */

#define CAN_TAKE(d) (lane[d].registered && lane[d].inUse < CREDITS)
#define TO_PLACE(c) (c < accepted && on[c] == NOBODY && outcome[c] == UNSETTLED)
/* Its channel has ended, or it leaves something untaken: how slow that is, is not in the model. */
#define SUSPECT(d) (lane[d].registered && (!lane[d].lives || on[0] == d || on[1] == d))

inline offer(d, c) {
  lane[d].inUse++;
  assert(lane[d].inUse <= CREDITS);
  printf("TRACE 9 offer %d %d\n", c, d);
  on[c] = d;
#ifdef NO_COPY
  headCopy[c] = false;
#endif
  lane[d].down ! c
}

inline place(c) {
  if
  :: CAN_TAKE(0) -> offer(0, c)
  :: CAN_TAKE(1) -> offer(1, c)
  :: !CAN_TAKE(0) && !CAN_TAKE(1) -> printf("TRACE 9 answer %d\n", c); settle(c, FALLBACK)
  fi
}

inline hear(d) {
  lane[d].up ? word, k;
  if
  :: word == TAKEN && on[k] == d -> printf("TRACE 9 hearTaken %d %d\n", k, d); on[k] = NOBODY; settle(k, TAKEN_BY_ONE)
  :: word == RETURNED && on[k] == d ->
    printf("TRACE 9 hearReturned %d %d\n", k, d);
    on[k] = NOBODY;
#ifndef NO_CREDIT_BACK
    lane[d].inUse--
#endif
  :: word == ENDED -> printf("TRACE 9 hearEnded %d %d\n", k, d); assert(lane[d].inUse > 0); lane[d].inUse--
  :: word != ENDED && on[k] != d ->
#ifdef COUNT_TWICE
    settle(k, TAKEN_BY_ONE)
#else
    skip
#endif
  fi
}

/* The connection's socket is closed when nobody has a copy. What is on its way in a queue is one as well. */
inline takeBack(c, d) {
  if
  :: on[c] == d -> printf("TRACE 9 takeBack %d %d\n", c, d); assert(headCopy[c]); on[c] = NOBODY
  :: else
  fi
}

inline letGo(d) {
  lane[d].registered = false;
#ifndef NO_SHUTDOWN
  atomic { printf("TRACE 9 shutdown 0 %d\n", d); lane[d].takes = false };
#endif
#ifndef NO_READ
  do
  :: atomic { nempty(lane[d].up) -> hear(d) }
  :: atomic { empty(lane[d].up) -> break }
  od;
#endif
#ifndef NO_EMPTY
  do
  :: lane[d].down ? k
  :: atomic { empty(lane[d].down) -> break }
  od;
#endif
  /* Both ends are closed, and what is still untaken is placed anew. */
  atomic { printf("TRACE 9 emptied 0 %d\n", d); takeBack(0, d); takeBack(1, d); lane[d].inUse = 0; k = 0; word = ENDED }
}

proctype Head() {
  mtype word;
  byte k;
endWaits:
  do
  :: atomic { accepted < CONNECTIONS -> printf("TRACE 9 accept %d\n", accepted); headCopy[accepted] = true; accepted++ }
  :: atomic { TO_PLACE(0) -> place(0) }
  :: atomic { TO_PLACE(1) -> place(1) }
  :: atomic { lane[0].registered && nempty(lane[0].up) -> hear(0); k = 0; word = ENDED }
  :: atomic { lane[1].registered && nempty(lane[1].up) -> hear(1); k = 0; word = ENDED }
#ifndef NO_LET_GO
  :: atomic { SUSPECT(0) -> skip }; letGo(0)
  :: atomic { SUSPECT(1) -> skip }; letGo(1)
#endif
  :: mayKill -> goto killed
  od;
killed:
  /* kill -9: the kernel closes all that it had, the ends of the lanes included, and drops what is on its way. */
  atomic {
    printf("TRACE 9 dies\n");
    headLives = false;
    lane[0].takes = false; lane[1].takes = false;
    headCopy[0] = false; headCopy[1] = false;
    do
    :: lane[0].down ? k
    :: lane[1].down ? k
    :: empty(lane[0].down) && empty(lane[1].down) -> break
    od;
    if
    :: outcome[0] == UNSETTLED -> outcome[0] = KILLED
    :: else
    fi;
    if
    :: outcome[1] == UNSETTLED -> outcome[1] = KILLED
    :: else
    fi
  }
}

/* --- a delivery --- */

inline finish(d, c) {
  lane[d].serves[c] = false;
  lane[d].copy[c] = false;
  printf("TRACE %d finish %d %d\n", d, c, d);
  if
  :: lane[d].takes -> printf("TRACE %d ended %d %d\n", d, c, d); lane[d].up ! ENDED, c
  :: else
  fi
}

proctype Delivery(byte d) {
  byte c;
endWaits:
  do
  :: lane[d].down ? c -> lane[d].copy[c] = true;
    if
    :: true
    :: lane[d].fails -> goto dies
    :: lane[d].fails -> goto freezes
    fi;
    if
    /* No fd for it, say: its copy is closed, and the head is told. */
    :: atomic { mayReturn -> mayReturn = false; lane[d].copy[c] = false };
      atomic {
        if
        :: lane[d].takes -> printf("TRACE %d return %d %d\n", d, c, d); lane[d].up ! RETURNED, c
        :: else
        fi;
        c = 0
      }
    :: atomic {
        if
        :: lane[d].takes -> printf("TRACE %d take %d %d\n", d, c, d); lane[d].up ! TAKEN, c; speak(d, c)
#ifdef SERVE_UNSAID
        :: else -> printf("TRACE %d take %d %d\n", d, c, d); speak(d, c)
#else
        :: else -> printf("TRACE %d drop %d %d\n", d, c, d); lane[d].copy[c] = false
#endif
        fi;
        c = 0
      }
    fi
  :: atomic { lane[d].serves[0] -> finish(d, 0) }
  :: atomic { lane[d].serves[1] -> finish(d, 1) }
  /* Says a second *taken* about something. */
  :: atomic { mayRepeat && lane[d].takes && speaker[0] == d -> mayRepeat = false; lane[d].up ! TAKEN, 0 }
  :: atomic { mayRepeat && lane[d].takes && speaker[1] == d -> mayRepeat = false; lane[d].up ! TAKEN, 1 }
  :: lane[d].fails -> goto dies
  :: lane[d].fails -> goto freezes
  :: atomic { !lane[d].takes && empty(lane[d].down) && !lane[d].serves[0] && !lane[d].serves[1] -> goto done }
  od;
dies:
  atomic {
    c = 0;
    printf("TRACE %d dies\n", d);
    lane[d].lives = false;
    lane[d].serves[0] = false; lane[d].serves[1] = false;
    lane[d].copy[0] = false; lane[d].copy[1] = false;
    goto done
  };
freezes:
  atomic { printf("TRACE %d dies\n", d); lane[d].frozen = true; c = 0 };
done:
  skip
}

/* --- nobody waits in vain --- */


inline check(c) {
  assert(outcome[c] != UNSETTLED);
  /* Taken by somebody and nobody's application has it: only if the head was told and the delivery is dead. */
  assert(outcome[c] != TAKEN_BY_ONE || speaker[c] != NOBODY);
  /* An untaken connection on no lane of the living: nothing keeps its client waiting but a frozen process's own copy. */
  assert(!(lane[0].down ?? [c]) && !(lane[1].down ?? [c]));
  assert(!headCopy[c])
}

init {
  atomic {
    lane[0].takes = true; lane[0].registered = true; lane[0].lives = true;
    lane[1].takes = true; lane[1].registered = true; lane[1].lives = true;
    on[0] = NOBODY; on[1] = NOBODY;
    speaker[0] = NOBODY; speaker[1] = NOBODY;
    outcome[0] = UNSETTLED; outcome[1] = UNSETTLED;
    if
    :: skip
    :: mayReturn = true
    :: mayRepeat = true
    fi;
    if
    :: skip
    :: lane[0].fails = true
    :: mayKill = true
    :: lane[0].fails = true; lane[1].fails = true
    :: lane[0].fails = true; mayKill = true
    fi;
    run Delivery(0);
    run Delivery(1);
    run Head()
  };
  /* When nothing else can happen. */
  timeout -> atomic {
    if
    :: true ->
      check(0); check(1);
      /* Credits: what is in use is what deliveries that are still known serve. */
      assert(!headLives || !lane[0].registered || lane[0].frozen || lane[0].inUse == lane[0].serves[0] + lane[0].serves[1]);
      assert(!headLives || !lane[1].registered || lane[1].frozen || lane[1].inUse == lane[1].serves[0] + lane[1].serves[1])
    fi
  }
}
