/*
 * Giving a served connection back, and moving it on (../moving.md), as a model for spin(1): a head, two deliveries, one
 * connection that either may give back, and every order in which their steps can follow each other, with a death, a freeze, a
 * return or an end that nobody has asked for at each of them.
 *
 * The lane of each delivery is two queues, as in handoff.pml; its way back is two more: `given` carries connections to the
 * head, `words` what has become of them. What stands in one `atomic` is one system call, or what one thread does between two of
 * them. A process that is not scheduled is a slow one; a frozen one never goes on.
 *
 * Shown: never two that may speak (assert in speak); the head has it when it has said *moved*, and only then (assert in regain);
 * as often as it comes to the head it has an outcome there, once; no credit is exceeded or lost; a head that dies before it
 * has said *moved* costs nothing (assert in killed); and when nothing moves any more, nobody waits: who has a copy lives and serves,
 * or is frozen.
 *
 * A run that is printed (spin -T) says its steps in the words of shared/trace.ts, for the checker of traces.
 *
 * Each macro leaves one check out, and the model then fails:
 *   NO_HOLD         hold (held.ts): a given connection goes on being read and written
 *   OFFER_FIRST     WaysBack: offered to another before *moved* has left
 *   NO_WORDS        DeliveryWayBack: goes on at the end of the way back without reading what was said before
 *   CLOSE_AT_GIVE   DeliveryWayBack: its copy is closed when it is given, not when it is moved
 *   NO_KEPT         WaysBack: what nobody can take is closed without a word
 *   KEPT_OPEN       WaysBack: the head keeps its copy of what it has declined
 *   NO_RESUME       DeliveryWayBack: what was given and has no word stays held at the end
 *   NO_CREDIT       WaysBack: another is chosen without its credit being taken
 *   NO_CREDIT_BACK  Mover: what has moved is not told as ended
 *   NOT_COUNTED     Connections.regain: what comes back is not counted, its outcome is
 *   SAY_AFTER       Lanes.leave: says *moved* after the way back has been closed
 *   NO_REFUSAL      WayBack.close: a delivery that is let go can still give
 *   NO_NUMBER       DeliveryWayBack: a word is taken for one about what was given last
 *   NO_LANE_FIRST   Lanes.#readBack: a connection that came back is looked at before what was said on the lane, its *taken* for one
 */

#define CREDITS 1
#define NOBODY 9
/* How often it is given back, both deliveries together. */
#define GIVES 2

mtype = { TAKEN, RETURNED, ENDED };
mtype = { MOVED, KEPT };

typedef Lane {
  chan down = [2] of { byte };
  chan up = [8] of { mtype };
  chan given = [2] of { byte };
  chan words = [3] of { mtype, byte };
  /* Words can leave on the lane, connections on the way back: false after shutdown(SHUT_RD), or when the head is dead (EPIPE). */
  bool takes;
  bool takesBack;
  /* The head's end of the way back is closed: what was said before can be read, and then the end. */
  bool ended;
  bool registered;
  byte inUse;
  /* The delivery: */
  bool lives;
  bool frozen;
  bool fails;
  /* has a copy of the connection, may speak on it, has given it back and has heard nothing. */
  bool copy;
  bool serves;
  bool held;
  /* Of what it has given last. */
  byte number;
  /* The application has closed what was given. */
  bool gone;
}
Lane lane[2];

bool headLives = true;
bool headCopy;
/* The lane that it is on, untaken, and for whom it has been chosen. */
byte on = NOBODY;
/* The head has it: it was accepted, or given back and said to be moved, and has no outcome yet. */
bool isOpen;
byte came;
byte outcomes;
byte gives;
bool mayReturn;
bool mayClose;
bool mayKill;

inline settle() {
  assert(isOpen);
  isOpen = false;
  outcomes++;
  headCopy = false
}

inline speak(d) {
  assert(!lane[1 - d].serves);
  assert(lane[d].copy);
  lane[d].serves = true
}

/* --- the head --- */

#define CAN_TAKE(d) (lane[d].registered && lane[d].inUse < CREDITS)
#define TO_PLACE (isOpen && on == NOBODY)
#define SUSPECT(d) (lane[d].registered && (!lane[d].lives || on == d))

inline offer(d) {
  printf("TRACE 9 offer %d\n", d);
  on = d;
  lane[d].down ! 0
}

inline takeCredit(d) {
  lane[d].inUse++;
  assert(lane[d].inUse <= CREDITS)
}

inline place() {
  if
  :: CAN_TAKE(0) -> takeCredit(0); offer(0)
  :: CAN_TAKE(1) -> takeCredit(1); offer(1)
  :: !CAN_TAKE(0) && !CAN_TAKE(1) -> printf("TRACE 9 answer\n"); settle()
  fi
}

inline hear(d) {
  lane[d].up ? word;
  if
  :: word == TAKEN -> assert(on == d); printf("TRACE 9 hearTaken %d\n", d); on = NOBODY; settle()
  :: word == RETURNED -> assert(on == d); printf("TRACE 9 hearReturned %d\n", d); on = NOBODY; lane[d].inUse--
  :: word == ENDED -> printf("TRACE 9 hearEnded %d\n", d); assert(lane[d].inUse > 0); lane[d].inUse--
  fi;
  word = TAKEN
}

/* *Moved* has left: it is the head's from here on. */
inline regain() {
  assert(!isOpen && !lane[0].serves && !lane[1].serves);
  isOpen = true;
#ifndef NOT_COUNTED
  came++
#endif
}

/* A connection has come back from d. The sends of the two words are calls of their own. */
inline hearGiven(d) {
#ifndef NO_LANE_FIRST
  do
  :: atomic { nempty(lane[d].up) -> hear(d) }
  :: atomic { empty(lane[d].up) -> break }
  od;
#endif
  atomic { lane[d].given ? n; headCopy = true };
  if
  :: atomic { CAN_TAKE(1 - d) ->
#ifndef NO_CREDIT
      takeCredit(1 - d);
#endif
      k = 1 }
  :: atomic { !CAN_TAKE(1 - d) -> k = 0 }
  fi;
  if
  :: mayKill -> goto killed
  :: true
  fi;
  if
  :: k == 1 ->
#ifdef OFFER_FIRST
    atomic { isOpen = true; came++; offer(1 - d) };
    if
    :: mayKill -> goto killed
    :: true
    fi;
    atomic { lane[d].words ! MOVED, n };
#else
#ifdef SAY_AFTER
    atomic { printf("TRACE 9 regain %d\n", d); regain(); later = !lane[d].registered };
    if
    :: atomic { !later -> lane[d].words ! MOVED, n }
    :: atomic { later -> skip }
    fi;
#else
    atomic { printf("TRACE 9 regain %d\n", d); lane[d].words ! MOVED, n; regain() };
#endif
    if
    :: mayKill -> goto killed
    :: true
    fi;
    atomic { offer(1 - d) };
#endif
  :: k == 0 ->
    atomic {
#ifndef NO_KEPT
      printf("TRACE 9 decline %d\n", d);
      lane[d].words ! KEPT, n;
#endif
#ifndef KEPT_OPEN
      headCopy = false
#endif
    }
  fi;
  atomic { k = 0; n = 0 }
}

inline letGo(d) {
  lane[d].registered = false;
  atomic { printf("TRACE 9 shutdown %d\n", d); lane[d].takes = false };
#ifndef NO_REFUSAL
  lane[d].takesBack = false;
#endif
  do
  :: atomic { nempty(lane[d].up) -> hear(d) }
  :: atomic { empty(lane[d].up) -> break }
  od;
  do
  :: atomic { nempty(lane[d].given) -> skip }; hearGiven(d)
  :: atomic { empty(lane[d].given) -> break }
  od;
  do
  :: lane[d].down ? k
  :: atomic { empty(lane[d].down) -> break }
  od;
  atomic {
    printf("TRACE 9 emptied %d\n", d);
    lane[d].ended = true;
    if
    :: on == d -> printf("TRACE 9 takeBack %d\n", d); assert(headCopy); on = NOBODY
    :: else
    fi;
    lane[d].inUse = 0;
    k = 0
  }
#ifdef SAY_AFTER
  ;
  if
  :: atomic { later -> lane[d].words ! MOVED, n; later = false }
  :: atomic { !later -> skip }
  fi
#endif
}

proctype Head() {
  mtype word = TAKEN;
  byte k;
  byte n;
  bool later;
endWaits:
  do
  :: atomic { TO_PLACE -> place() }
  :: atomic { lane[0].registered && nempty(lane[0].up) -> hear(0) }
  :: atomic { lane[1].registered && nempty(lane[1].up) -> hear(1) }
  :: atomic { lane[0].registered && nempty(lane[0].given) -> skip }; hearGiven(0)
  :: atomic { lane[1].registered && nempty(lane[1].given) -> skip }; hearGiven(1)
  :: atomic { SUSPECT(0) -> skip }; letGo(0)
  :: atomic { SUSPECT(1) -> skip }; letGo(1)
  :: mayKill -> goto killed
  od;
killed:
  /* kill -9: the kernel closes all that it had, and drops what it had not read. */
  atomic {
    printf("TRACE 9 dies\n");
    headLives = false;
    /* Given and not said to be moved: who gave it has it still. */
    assert(isOpen || empty(lane[0].given) || lane[0].copy || !lane[0].lives || lane[0].gone);
    assert(isOpen || empty(lane[1].given) || lane[1].copy || !lane[1].lives || lane[1].gone);
    if
    :: isOpen -> settle()
    :: else
    fi;
    headCopy = false;
    do
    :: lane[0].down ? k
    :: lane[1].down ? k
    :: lane[0].given ? k
    :: lane[1].given ? k
    :: empty(lane[0].down) && empty(lane[1].down) && empty(lane[0].given) && empty(lane[1].given) -> break
    od;
    on = NOBODY;
    k = 0;
    lane[0].takes = false; lane[1].takes = false;
    lane[0].takesBack = false; lane[1].takesBack = false;
    lane[0].ended = true; lane[1].ended = true
  }
}

/* --- a delivery --- */

inline sayEnded(d) {
  if
  :: lane[d].takes -> printf("TRACE %d ended %d\n", d, d); lane[d].up ! ENDED
  :: else
  fi
}

/* It is closed here. */
inline finish(d) {
  lane[d].serves = false;
  lane[d].copy = false;
  printf("TRACE %d finish %d\n", d, d);
  sayEnded(d)
}

inline resume(d) {
  lane[d].held = false;
  printf("TRACE %d stay %d\n", d, d);
  speak(d)
}

#ifdef NO_NUMBER
#define IS_MINE(d) (lane[d].held)
#else
#define IS_MINE(d) (lane[d].held && c == lane[d].number)
#endif

proctype Delivery(byte d) {
  byte c;
endWaits:
  do
  :: lane[d].down ? c -> lane[d].copy = true;
    if
    :: true
    :: lane[d].fails -> goto dies
    :: lane[d].fails -> goto freezes
    fi;
    if
    :: atomic { mayReturn -> mayReturn = false; lane[d].copy = false };
      atomic {
        if
        :: lane[d].takes -> printf("TRACE %d return %d\n", d, d); lane[d].up ! RETURNED
        :: else
        fi
      }
    :: atomic {
        if
        :: lane[d].takes -> printf("TRACE %d take %d\n", d, d); lane[d].up ! TAKEN; speak(d)
        :: else -> printf("TRACE %d drop %d\n", d, d); lane[d].copy = false
        fi
      }
    fi
  :: atomic { lane[d].serves && !lane[d].held -> finish(d) }
  /* Between two requests, or where the application says so: held, and given. What cannot leave is not given. */
  :: atomic {
      lane[d].serves && !lane[d].held && gives < GIVES && lane[d].takesBack && !lane[d].ended ->
        gives++;
        lane[d].held = true;
        lane[d].gone = false;
#ifndef NO_HOLD
        lane[d].serves = false;
#endif
#ifdef CLOSE_AT_GIVE
        lane[d].copy = false;
#endif
        printf("TRACE %d give %d\n", d, d);
        lane[d].number = gives;
        lane[d].given ! gives
    }
  :: atomic { nempty(lane[d].words) ->
      if
      :: lane[d].words ? MOVED, c ->
        if
        :: IS_MINE(d) ->
          lane[d].held = false;
#ifdef NO_CREDIT_BACK
          lane[d].copy = false; printf("TRACE %d finish %d\n", d, d)
#else
          finish(d)
#endif
        :: else
        fi
      :: lane[d].words ? KEPT, c ->
        if
        :: IS_MINE(d) -> resume(d)
        :: else
        fi
      fi;
      c = 0
    }
#ifdef NO_WORDS
  :: atomic { lane[d].ended && lane[d].held -> resume(d) }
#else
#ifndef NO_RESUME
  :: atomic { lane[d].ended && empty(lane[d].words) && lane[d].held -> resume(d) }
#endif
#endif
  /* The application closes what is given: its copy, and not a packet. */
  :: atomic { lane[d].held && mayClose -> mayClose = false; lane[d].held = false; lane[d].gone = true; finish(d) }
  :: lane[d].fails -> goto dies
  :: lane[d].fails -> goto freezes
  :: atomic {
      lane[d].ended && empty(lane[d].down) && empty(lane[d].words) && !lane[d].serves && !lane[d].held -> goto done
    }
  od;
dies:
  atomic {
    printf("TRACE %d dies\n", d);
    lane[d].lives = false;
    lane[d].serves = false;
    lane[d].held = false;
    lane[d].copy = false;
    goto done
  };
freezes:
  atomic { printf("TRACE %d dies\n", d); lane[d].frozen = true; lane[d].serves = false };
done:
  skip
}

/* --- nobody waits in vain --- */

inline checkDelivery(d) {
  /* Given, and nobody has said what became of it; or on its way to nobody. */
  assert(!lane[d].held || lane[d].frozen);
  assert(!lane[d].copy || lane[d].serves || lane[d].frozen);
  assert(empty(lane[d].down) && (empty(lane[d].given) || !headLives));
  assert(!headLives || !lane[d].registered || lane[d].frozen || lane[d].inUse == lane[d].serves)
}

init {
  atomic {
    lane[0].takes = true; lane[0].takesBack = true; lane[0].registered = true; lane[0].lives = true;
    lane[1].takes = true; lane[1].takesBack = true; lane[1].registered = true; lane[1].lives = true;
    /* It has just been accepted. */
    printf("TRACE 9 accept\n");
    headCopy = true; isOpen = true; came = 1;
    if
    :: skip
    :: mayReturn = true
    :: mayClose = true
    fi;
    if
    :: skip
    :: lane[0].fails = true
    :: mayKill = true
    :: lane[0].fails = true; lane[1].fails = true
    :: lane[0].fails = true; mayKill = true
    :: lane[1].fails = true; mayKill = true
    fi;
    run Delivery(0);
    run Delivery(1);
    run Head()
  };
  /* When nothing else can happen. */
  timeout -> atomic {
    if
    :: true ->
      assert(!isOpen && came == outcomes);
      assert(!headCopy);
      checkDelivery(0);
      checkDelivery(1)
    fi
  }
}
