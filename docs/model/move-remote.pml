/*
 * Giving back a connection that lives on another host (../moving.md), as a model for spin(1): a head and its successor, the
 * delivery that gives it, whoever gets it next, and a client that sends, leaves, and uses its port again. Every order in which
 * their steps can follow each other, with a death, a freeze, a link that is cut in one direction or both, and a head that is
 * killed between any two of them.
 *
 * The delivery gives a copy of what its kernel knows, and keeps its socket, mute and deaf, until it has a word: *moved* or *kept*.
 * A word can be lost with its link; then it asks the head that comes next. What is asked there is the kernel's table, which a head
 * changes before it says *moved*, and which outlives it: an entry that is still the delivery's says that no head has it.
 *
 * What stands in one `atomic` is one system call, or what one thread does between two of them. Names are those of the code:
 * head/migrate/{returns,regains,remote-delivery,flows}.ts, delivery/remote/{given-back,session}.ts. What becomes of it once the head's
 * copy lives is what handoff.pml and migration.pml are about: here somebody takes it, and lives longer than the head.
 *
 * Shown: never two that may speak, and no byte acknowledged and lost (speak, speakAtHead); nobody reset that somebody serves
 * (reset); until the head has changed the table nothing costs the connection (lose); and when nothing moves any more, no client
 * waits for nobody, and the delivery for no word (check).
 *
 * Each macro leaves one check out, and the model then fails:
 *   NO_HOLD      hold (held.ts): a given connection goes on being served
 *   NO_DEAFEN    GivenBack.give: its socket goes on hearing
 *   NO_LINGER    GivenBack.hear: what has moved is closed at once, with packets of its client still on their way to it
 *   NO_THAW      GivenBack.hear: what is kept stays deaf
 *   GO_ON        GivenBack.detach: at the end of the link it goes on with what has no word
 *   DROP         GivenBack.detach: at the end of the link it drops what has no word
 *   CLAIM_DOUBT  Flows.claim: what is in doubt is claimed as what it holds
 *   NO_ANSWER    settleDoubts: who registers with something in doubt hears no word of it
 *   TABLE_LATE   Returns.#decide: the table is changed when somebody has it already
 *   NO_MARK      Regains.begin: a successor does not find in the table what was neither here nor there
 *   NO_ABANDON   Returns.end: what was to be decided when the link ended is decided later
 *   ANY_GIVE     Returns.give: takes what is no connection of the delivery's any more
 */

/* A client's packets: its request, and one more. */
#define PACKETS 2
/* How often it is given. */
#define GIVES 2

mtype = { GIVE, MOVED, KEPT };
/* The entry of its ends in the kernel's table: none, the head's own for a moment, the delivery's, or that of a newer connection. */
mtype = { PASS, MARK, THERE, NEWER };
mtype table = THERE;

/* The link: what is sent when it is cut goes nowhere, and each side notices that in its own time. */
chan down = [3] of { mtype };
chan up = [3] of { mtype, byte };
bool cutDown;
bool cutUp;
bool registered = true;
bool session = true;

/* The delivery's socket: it is there, its application may use it, it has been given and has no word, it hears nothing. */
bool there = true;
bool serves = true;
bool held;
bool deaf;
bool inDoubt;
/* It has moved, and its socket stays, mute and deaf: a packet may be on its way to it, which its kernel would answer with a reset. */
bool lingers;
byte gotThere = 1;
bool lives = true;
bool frozen;
byte gives;

/* The head's: a mute copy that may come to live, a live one, and somebody who has taken that. */
bool mute;
bool here;
bool taken;
byte gotHere;
byte savedGot;
/* The worker has chosen somebody. */
bool chosen;
bool headLives = true;
/* A head has changed the table. */
bool decided;
/* Another connection has these ends. */
bool isNewer;

byte acked = 1;
bool done;
/* A packet of its client has passed the table, to the delivery or to the head. */
bool behindTable;
bool toThere;

bool mayKill;
bool mayDie;
bool mayFreeze;
bool mayCut;
bool heals;
bool mayLeave;

#define SOMEBODY_SERVES (serves || here || taken)

inline speakThere() {
  assert(!here && !taken);
  assert(done || gotThere == acked);
  serves = true
}

inline speakHere() {
  assert(!serves);
  assert(done || gotHere == acked)
}

inline reset() {
  assert(done || !SOMEBODY_SERVES);
  done = true
}

/* --- the head --- */

inline say(word) {
  if
  :: cutDown || !registered
  :: else -> assert(nfull(down)); down ! word
  fi
}

#define ALIVE if :: headLives :: else -> goto killed fi

/* The ends are another's, which the head's kernel has or has sent on; or the entry is the delivery's. */
#ifdef ANY_GIVE
#define MAY_GIVE true
#else
#define MAY_GIVE (table == THERE)
#endif

inline hearGive() {
  up ? _, savedGot;
  if
  :: !MAY_GIVE || mute -> say(KEPT)
  :: MAY_GIVE && !mute -> mute = true; gotHere = savedGot
  fi;
  savedGot = 0
}

inline abandon() {
  mute = false;
  chosen = false;
  gotHere = 0
}

inline activate() {
  assert(!isNewer);
  mute = false;
  chosen = false;
  here = true;
  speakHere()
}

/* The delivery has gone, or is dropped. */
inline end() {
  registered = false;
#ifndef NO_ABANDON
  if
  :: mute -> abandon()
  :: else
  fi
#endif
}

inline register() {
  do
  :: down ? _
  :: up ? _, _
  :: empty(down) && empty(up) -> break
  od;
  registered = true;
  session = true;
#ifdef CLAIM_DOUBT
  if
  :: there && table == PASS -> assert(!SOMEBODY_SERVES || serves); table = THERE
  :: else
  fi;
#endif
#ifndef NO_ANSWER
  if
  :: inDoubt && table == THERE -> down ! KEPT
  :: inDoubt && table != THERE -> down ! MOVED
  :: else
  fi
#endif
}

#define HAS_ENDED (registered && (cutDown || cutUp || (!session && empty(up)) || !lives || frozen))
#define MAY_REGISTER (!registered && !session && lives && !frozen && !cutDown && !cutUp)

proctype Head() {
endWaits:
  do
  :: atomic { headLives && registered && nempty(up) -> hearGive() }
  /* The worker answers: somebody else can take it, whose credit is taken, or nobody. */
  :: atomic { headLives && mute && !chosen -> chosen = true }
  :: atomic { headLives && mute && !chosen -> say(KEPT); abandon() }
  :: atomic { headLives && mute && chosen && !MAY_GIVE -> say(KEPT); abandon() }
  :: atomic { headLives && mute && chosen && MAY_GIVE ->
#ifndef TABLE_LATE
#ifdef NO_MARK
      table = PASS;
#else
      table = MARK;
#endif
      decided = true
#endif
    };
    atomic { ALIVE; say(MOVED) };
    atomic { ALIVE; activate() };
#ifdef TABLE_LATE
    atomic { ALIVE; taken = true; speakHere() };
    atomic { ALIVE; table = PASS; decided = true }
#else
    atomic { ALIVE; table = PASS }
#endif
  :: atomic { headLives && here && table == PASS -> here = false; taken = true; speakHere() }
  :: atomic { headLives && HAS_ENDED -> end() }
  :: atomic { headLives && MAY_REGISTER -> register() }
  :: atomic { !headLives -> goto killed }
  od;
killed:
  /* A successor finds the table, and nothing else. Its kernel asks who was neither here nor there, and resets what nobody has. */
  atomic {
    if
    :: table == MARK -> table = PASS;
      if
      :: taken -> skip
      :: else -> reset()
      fi
    :: else
    fi;
    headLives = true;
    goto endWaits
  }
}

/* kill -9: what lives is reset, what is mute goes without a word. */
inline kill() {
  headLives = false;
  registered = false;
  abandon();
  if
  :: here -> here = false; reset()
  :: else
  fi
}

/* --- the delivery --- */

#define RUNS (lives && !frozen)
#define LINK_HAS_ENDED (session && (cutDown || cutUp || (!registered && empty(down))))

/* Its client, where it has not been told, learns of it when it sends something. */
inline lose() {
  assert(decided || done || !lives);
  serves = false;
  held = false;
  inDoubt = false;
#ifdef NO_LINGER
  there = false;
  deaf = false
#else
  lingers = true
#endif
}

inline hear() {
  if
  :: down ? MOVED ->
    if
    :: held -> lose()
    :: else
    fi
  :: down ? KEPT ->
    if
    :: held -> held = false; inDoubt = false;
#ifndef NO_THAW
      deaf = false;
#endif
      speakThere()
    :: else
    fi
  fi
}

proctype Delivery() {
endWaits:
  do
  :: atomic { RUNS && serves && !held && session && gives < GIVES ->
      gives++;
      held = true;
#ifndef NO_HOLD
      serves = false;
#endif
#ifndef NO_DEAFEN
      deaf = true;
#endif
      if
      :: cutUp
      :: else -> assert(nfull(up)); up ! GIVE, gotThere
      fi
    }
  :: atomic { RUNS && session && nempty(down) -> hear() }
  /* A second later. */
  :: atomic { RUNS && lingers && !(behindTable && toThere) -> lingers = false; there = false; deaf = false }
  :: atomic { RUNS && LINK_HAS_ENDED && empty(down) ->
      session = false;
      if
      :: held ->
#ifdef GO_ON
        held = false; deaf = false; speakThere()
#else
#ifdef DROP
        lose()
#else
        inDoubt = true
#endif
#endif
      :: else
      fi
    }
  od
}

/* --- the client, the network, and what may go wrong --- */

#define SENDS (!done && !behindTable && acked < PACKETS && table != NEWER)

inline arrive() {
  behindTable = false;
  if
  :: toThere && there && !deaf -> gotThere++; acked++
  :: toThere && !there && lives -> reset()
  :: !toThere && (mute || here || taken) -> gotHere++; acked++
  :: !toThere && !mute && !here && !taken && headLives -> reset()
  :: else
  fi
}

proctype World() {
endWaits:
  do
  :: atomic { SENDS -> behindTable = true; toThere = (table == THERE) }
  :: atomic { behindTable -> arrive() }
  /* It resets the connection, and a new one with the same ends comes to the head, and goes its way. */
  :: atomic { mayLeave && headLives && table != MARK && !here && !taken -> mayLeave = false; done = true; isNewer = true; table = NEWER }
  :: atomic { mayKill && headLives -> mayKill = false; kill() }
  :: atomic { mayDie && lives -> mayDie = false; lives = false; session = false;
      if
      :: there && !held -> done = true
      :: else
      fi;
      there = false; serves = false; held = false; deaf = false; inDoubt = false; lingers = false }
  :: atomic { mayFreeze && lives -> mayFreeze = false; frozen = true }
  :: atomic { mayCut && !cutDown -> cutDown = true }
  :: atomic { mayCut && !cutUp -> cutUp = true }
  :: atomic { heals && (cutDown || cutUp) && !registered && !session -> mayCut = false; cutDown = false; cutUp = false }
  od
}

init {
  atomic {
    if
    :: skip
    :: mayKill = true
    :: mayDie = true
    :: mayFreeze = true
    :: mayCut = true
    :: mayCut = true; heals = true
    :: mayCut = true; heals = true; mayKill = true
    :: mayLeave = true
    :: mayLeave = true; mayCut = true; heals = true
    :: mayDie = true; mayKill = true
    :: mayFreeze = true; mayKill = true
    fi;
    run Head();
    run Delivery();
    run World()
  };
  /* When nothing else can happen. */
  timeout -> atomic {
    if
    :: true ->
      /* Who waits for a word waits for a link. */
      assert(!held || frozen || !session || cutDown || cutUp || !lives);
      assert(!deaf || held || frozen);
      assert(!inDoubt || frozen || cutDown || cutUp);
      assert(!mute || !headLives);
      /* An idle client waits for nobody: what its delivery's host has no socket for it resets, when it is asked (migration.pml). */
      assert(done || serves || here || taken || held || !lives || frozen)
    fi
  }
}
