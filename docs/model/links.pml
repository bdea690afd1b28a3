/*
 * The links of a delivery of another host while its head is taken over (docs/upgrade.md), for spin: made with the successor before
 * that to the predecessor is broken. Both heads listen with one socket: who connects comes to whichever accepts. The predecessor
 * moves connections until it freezes, and has at most one under way here; each has a number. Either head may be killed at any
 * moment, a deadline may pass, and the link to the predecessor may be lost.
 *
 * Taken for granted: who of the two is the head (takeover.pml); and that a successor whose predecessor has died without a word
 * gives higher numbers, by the time and by what it finds (head/migrate/ids.ts).
 *
 * Checks that can be left out (-DNAME), and what then goes wrong:
 *
 *   NO_PAUSE    the predecessor goes on to let deliveries in: the one that it has sent comes back to it, and has no other link
 *   NO_WAIT     the successor is ready before those that were sent have come: one is without a link
 *   NO_REST     the predecessor gives numbers after it has said its last one: the successor gives them again
 *   NO_LAST     the successor begins anywhere: the same
 *   NO_BEGUN    it welcomes a delivery before it is the head: that leaves a head which goes on
 *   NO_DONE     it begins while the predecessor has something under way, and takes it for what a dead head has left
 *   NO_SETTLE   the predecessor says that nothing is under way, and has not looked: the same
 *   NO_RESUME   a predecessor that goes on lets nobody in: a delivery whose link was lost finds no head
 *   NO_NEXT     a delivery that loses its link forgets that it has made another one, and asks in vain for a place that it has
 */

#define P 0
#define S 1
#define NONE 2

mtype = { SUCCESSOR, WELCOME, DISMISSED, ADOPT };
/* How far the two heads are: in the order in which they say so. */
mtype = { WARM, LISTENING, SENT, READY, FROZEN, HANDED, CONFIRMED, DONE, KEPT };

/* What a head says to the delivery; an end is read after it. */
chan down[2] = [3] of { mtype, byte };
bool cut[2];

mtype phase = WARM;
/* All was handed with nothing under way: whoever confirms may begin at once. */
bool settled;
bool alive[2] = true;
bool accepts[2];
/* The delivery has said hello, and is registered. */
bool came[2], in[2];
/* Moves connections; the highest number given; the one that is under way. */
bool acts[2];
byte last[2], flight[2];
/* Numbers that the delivery was given. */
bool seen[5];
bool asked, tried, excused;
byte deaths = 1, late = 2, losses = 1;

byte cur = P, next = NONE;

inline kill(h) {
	excused = true; alive[h] = false; acts[h] = false; accepts[h] = false; cut[h] = true; in[h] = false
}

inline give(h) {
	acts[h] && in[h] && flight[h] == 0 && last[h] < 4 && nfull(down[h]) ->
	last[h]++; flight[h] = last[h]; down[h]!ADOPT, last[h]
}

inline welcome(h) {
	acts[h] && came[h] && !in[h] && !cut[h] && nfull(down[h]) -> in[h] = true; down[h]!WELCOME, 0
}

proctype Predecessor() {
	{
endServing:	do
		:: atomic { give(P) }
		:: atomic { welcome(P) }
		:: atomic { phase == LISTENING ->
#ifndef NO_PAUSE
			accepts[P] = false;
#endif
			if
			:: in[P] && nfull(down[P]) -> down[P]!SUCCESSOR, 0; asked = true
			:: !in[P] || full(down[P])
			fi;
			phase = SENT }
		:: atomic { phase == READY ->
#ifndef NO_REST
			acts[P] = false;
#endif
			phase = FROZEN }
		/* What is under way arrives, or is not waited for any longer. */
		:: atomic { phase == FROZEN && flight[P] == 0 -> settled = true; phase = HANDED }
		:: atomic { phase == FROZEN && late > 0 -> late--;
#ifdef NO_SETTLE
			settled = true;
#endif
			phase = HANDED }
		:: atomic { phase == CONFIRMED -> break }
		/* The successor has died, or is late: it knows that it came too late. */
		:: atomic { phase != CONFIRMED && phase != KEPT && (!alive[S] || late > 0) ->
			if
			:: alive[S] -> late--
			:: else
			fi;
			excused = true; phase = KEPT; settled = false; acts[P] = true;
#ifndef NO_RESUME
			accepts[P] = true
#endif
			}
		od;
		/* What is under way arrives, or is taken back. */
		if
		:: flight[P] == 0
		:: atomic { late > 0 -> late--; excused = true; flight[P] = 0 }
		fi;
		if
		:: atomic { in[P] && !cut[P] && nfull(down[P]) -> down[P]!DISMISSED, 0 }
		:: atomic { !in[P] || cut[P] }
		fi;
		atomic { acts[P] = false; flight[P] = 0; in[P] = false; cut[P] = true; phase = DONE; alive[P] = false }
	} unless { !alive[P] && phase != DONE }
}

proctype Successor() {
	{
		atomic { accepts[S] = true;
			if
			:: phase == WARM && alive[P] -> phase = LISTENING
			:: else
			fi };
endWarm:	do
		:: atomic { phase == SENT ->
#ifndef NO_WAIT
			if
			:: !asked || came[S]
			:: late > 0 -> late--; excused = excused || !tried || next != NONE
			fi;
#endif
			if
			:: phase == SENT && alive[P] -> phase = READY
			:: else
			fi }
		:: atomic { phase == HANDED && alive[P] ->
#ifndef NO_LAST
			last[S] = last[P];
#endif
			phase = CONFIRMED;
#ifdef NO_DONE
			break
#else
			if
			:: settled -> break
			:: else
			fi
#endif
			}
		/* It has departed; or died, and its numbers are known by the time. */
		:: atomic { phase == DONE -> break }
		:: atomic { !alive[P] && phase != DONE -> last[S] = last[P]; flight[P] = 0; break }
		:: atomic { phase == CONFIRMED && alive[P] && late > 0 -> late--; kill(P) }
#ifdef NO_BEGUN
		:: atomic { came[S] && !in[S] && !cut[S] && nfull(down[S]) -> in[S] = true; down[S]!WELCOME, 0 }
#endif
		:: atomic { phase == KEPT && alive[P] -> kill(S) }
		od;
		/* What it finds under way in the table it takes for a dead head's. */
		atomic { assert(flight[P] == 0); acts[S] = true };
endServing:	do
		:: atomic { give(S) }
		:: atomic { welcome(S) }
		:: atomic { phase == CONFIRMED && alive[P] && late > 0 -> late--; kill(P) }
		od
	} unless { !alive[S] }
}

#define mayConnect ((accepts[P] && alive[P]) || (accepts[S] && alive[S]))

#define mayEnter(h) (accepts[h] && alive[h] && !came[h])

/* Whoever accepts has it. One that has a place there, as far as is known there, is refused another. */
inline connect(to) {
	if
	:: accepts[P] && alive[P] -> to = P
	:: accepts[S] && alive[S] -> to = S
	fi;
	if
	:: came[to] -> to = NONE
	:: else -> cut[to] = false
	fi
}

/* It has read all that was said there. */
inline over(h) { came[h] = false; in[h] = false; flight[h] = 0 }

inline leave(h) {
	do
	:: nempty(down[h]) -> down[h]?_, _
	:: empty(down[h]) -> break
	od;
	over(h)
}

inline take(id) { assert(!seen[id]); seen[id] = true }

proctype Delivery() {
	mtype word;
	byte id;
end:	do
	:: atomic { cur != NONE && nempty(down[cur]) ->
		down[cur]?word, id;
		if
		:: word == ADOPT -> take(id); flight[cur] = 0
		:: word == SUCCESSOR && next == NONE && mayConnect -> connect(next); tried = true
		:: word == DISMISSED -> assert(!asked || excused || (next != NONE && came[next])); over(cur); cur = next; next = NONE
		:: word == WELCOME
		:: else
		fi; id = 0 }
	:: atomic { cur != NONE && cut[cur] && empty(down[cur]) -> over(cur);
#ifdef NO_NEXT
		cur = NONE;
#else
		cur = next;
#endif
		next = NONE }
	/* Welcome: who had it before has nothing more to say. */
	:: atomic { next != NONE && nempty(down[next]) -> down[next]?word, id;
		if
		:: word == WELCOME && cur != NONE -> cut[cur] = true; leave(cur); assert(!(alive[cur] && acts[cur])); cur = next; next = NONE
		:: else -> cur = next; next = NONE
		fi; id = 0 }
	:: atomic { next != NONE && cut[next] && empty(down[next]) -> over(next); next = NONE }
	:: atomic { cur == NONE && next == NONE && (mayEnter(P) || mayEnter(S)) -> connect(cur) }
	/* It says hello. */
	:: atomic { cur != NONE && !came[cur] && !cut[cur] -> came[cur] = true }
	:: atomic { next != NONE && !came[next] && !cut[next] -> came[next] = true }
	od
}

proctype World() {
end:	do
	:: atomic { deaths > 0 && alive[P] && phase != DONE -> deaths--; kill(P) }
	:: atomic { deaths > 0 && alive[S] -> deaths--; kill(S) }
	:: atomic { losses > 0 && came[P] && cur == P && !cut[P] -> losses--; excused = true; cut[P] = true; in[P] = false }
	od
}

/* When all is still the delivery has its place with whoever is the head, if there is one. */
proctype Stillness() {
endWaiting:
	timeout;
	assert(!(alive[P] && alive[S] && acts[P] && acts[S]));
	assert(!(alive[P] && acts[P]) || (in[P] && cur == P));
	assert(!(alive[S] && acts[S]) || (in[S] && cur == S))
}

init {
	atomic {
		accepts[P] = true; came[P] = true; in[P] = true; acts[P] = true;
		run Predecessor(); run Successor(); run Delivery(); run World(); run Stillness()
	}
}
