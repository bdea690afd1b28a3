/*
 * A head that is taken over by its successor (docs/upgrade.md), for spin. The socket between the two is as the kernel has it: what
 * was sent before an end is read before it, what is sent after the reader has refused more fails, and a death closes both
 * directions. Either may die at any step, and a deadline may pass at any moment: a process that is not scheduled is a frozen one.
 *
 * A run that is printed (spin -T) says its steps in the words of shared/trace.ts, for the checker of traces.
 *
 * Checks that can be left out (-DNAME), and what then goes wrong:
 *
 *   NO_REFUSE    the predecessor decides by what it has read, and does not refuse more first: both are the head
 *   NO_READ      it refuses more and does not read what was said in time: both are the head
 *   NO_KEPT      it goes on without a word: its successor takes its end for its death, and both are the head
 *   NO_KILL      the same where there is no room for that word, and the successor is left alive
 *   NO_STAND_IN  a successor ends when the predecessor has died: nobody accepts
 *   NO_FREEZE    the predecessor goes on with what it passes on: two speak for one connection
 *   NO_THAW      it goes on, and accepts nobody
 *   NO_COPIES    it closes what it passes on before the successor has confirmed: nobody accepts
 */

mtype = { SOCKETS, HANDED, READY, CONFIRMED, KEPT, DONE, NONE };

/* A socket that is full after one message. */
chan down = [1] of { mtype };
chan up = [1] of { mtype };

bool pAlive = true, sAlive = true;
/* The predecessor has refused more; each has closed its end. */
bool upShut, pClosed, sClosed;
/* Who accepts, and acts on what is under inspection; and has copies to do so with. */
bool pActs = true, sActs;
bool pHas = true, sHas;
/* The successor was killed, or had a reason to end. */
bool excused;
/* Times that either is killed, and that a deadline passes, at most. */
byte deaths = 2;
byte late = 2;

#define pGone (!pAlive || pClosed)
#define sGone (!sAlive || sClosed)

inline check() {
	assert(!(pActs && pAlive && sActs && sAlive))
}

inline killP() { pAlive = false; pActs = false; pHas = false }
inline killS() { printf("TRACE 2 dies\n"); excused = true; sAlive = false; sActs = false; sHas = false }

active proctype Predecessor() {
	mtype heard = NONE;
	{
		atomic { printf("TRACE 1 handOver\n"); down!SOCKETS };
		if
		:: up?heard
		:: sGone && empty(up)
		:: atomic { late > 0 -> late-- }
		fi;
		if
		:: heard != READY -> goto goOn
		:: else
		fi;
		heard = NONE;
#ifndef NO_FREEZE
		pActs = false;
#endif
		atomic { pAlive -> printf("TRACE 1 frozen\n") };
		if
		:: atomic { nfull(down) -> down!HANDED }
		:: sGone -> goto decide
		:: atomic { late > 0 -> late-- }; goto decide
		fi;
#ifdef NO_COPIES
		pHas = false;
#endif
		if
		:: up?heard
		:: sGone && empty(up)
		:: atomic { late > 0 -> late-- }
		fi;
decide:
		if
		:: heard == CONFIRMED -> goto depart
		:: else
		fi;
goOn:
#ifndef NO_REFUSE
		upShut = true;
#endif
#ifndef NO_READ
		if
		:: up?heard
		:: empty(up)
		fi;
		if
		:: heard == CONFIRMED -> goto depart
		:: else
		fi;
#endif
		atomic { pAlive -> printf("TRACE 1 goOn\n") };
#ifndef NO_KEPT
		if
		:: atomic { nfull(down) -> down!KEPT }
		:: atomic { full(down) && !sGone ->
#ifndef NO_KILL
			killS()
#endif
		}
		:: sGone
		fi;
#endif
		pClosed = true;
#ifndef NO_THAW
		atomic { pActs = pHas; check() };
#endif
		/* It serves, as it did. */
endServing:
		false;
depart:
		atomic { pAlive -> printf("TRACE 1 depart\n"); pActs = false };
		if
		:: atomic { nfull(down) -> down!DONE }
		:: sGone
		:: atomic { late > 0 -> late-- }
		fi;
		atomic { printf("TRACE 1 end\n"); pClosed = true; killP() }
	} unless { !pAlive }
}

active proctype Successor() {
	mtype heard = NONE;
	{
		if
		:: down?heard
		:: pGone && empty(down)
		:: atomic { late > 0 -> late-- }
		fi;
		if
		:: heard == SOCKETS -> printf("TRACE 2 takeOver\n"); sHas = true
		:: else -> excused = true; goto give
		fi;
		/* It warms up, and may fail at that. */
		if
		:: skip
		:: atomic { late > 0 -> late--; excused = true }; goto give
		fi;
		if
		:: atomic { !upShut && !pGone && nfull(up) -> printf("TRACE 2 ready\n"); up!READY }
		:: atomic { upShut || pGone -> printf("TRACE 2 ready\n") }
		fi;
		if
		:: down?heard
		:: pGone && empty(down) -> goto standIn
		:: atomic { late > 0 -> late--; excused = true }; goto give
		fi;
		if
		:: heard == KEPT -> excused = true; goto give
		:: else
		fi;
		if
		:: atomic { !upShut && !pGone -> printf("TRACE 2 confirm\n"); up!CONFIRMED; sActs = true; check() };
			/* The rest; who does not say that it was all is ended. */
			if
			:: down?heard
			:: pGone && empty(down)
			:: atomic { late > 0 -> late--; printf("TRACE 1 dies\n"); killP() }
			fi;
			goto over
		:: upShut || pGone ->
			if
			:: down?heard -> excused = true; goto give
			:: pGone && empty(down)
			fi
		fi;
standIn:
#ifndef NO_STAND_IN
		atomic { printf("TRACE 2 standIn\n"); sActs = true; check() };
		goto over;
#endif
give:
		atomic {
			if
			:: sHas -> printf("TRACE 2 giveUp\n")
			:: else
			fi;
			sClosed = true; sAlive = false; sActs = false; sHas = false
		};
over:
		skip
	} unless { !sAlive }
}

active proctype Deaths() {
	do
	:: atomic { deaths > 0 && pAlive -> deaths--; printf("TRACE 1 dies\n"); killP() }
	:: atomic { deaths > 0 && sAlive -> deaths--; killS() }
	:: break
	od
}

/*
 * When all is still somebody has the listener and accepts. Where both have ended, the successor had a reason: it was killed, or it
 * had given up for one that lived then.
 */
active proctype Stillness() {
endWaiting:
	timeout;
	if
	:: pAlive || sAlive -> assert((pAlive && pActs && pHas) || (sAlive && sActs && sHas))
	:: else -> assert(excused)
	fi
}
