/*
 * Two heads that share an address (docs/failover.md), for spin. One client uses one port: an old connection, which head A has
 * moved to delivery 0, and perhaps a new one with the same ends after it, which whoever has the address then moves to delivery 1.
 * Each delivery tells each head over a link of its own, in order, and as late as it likes: a process that is not scheduled is a
 * slow one. Either head may be killed at any moment, and starts again with nothing known. The address goes to and fro. A packet
 * of the client's may arrive at any moment, at the head that has the address.
 *
 * Taken for granted: a client that uses its port again has ended the old connection, though its delivery may not know; a hold
 * lasts longer than a word is on its way; the later connection has the higher number (head/migrate/ids.ts); and the word
 * about a port that is used again has come before the address moves, which takes three adverts.
 *
 * Checks that can be left out (-DNAME), and what then goes wrong:
 *
 *   NO_TELL_ALL  a delivery tells only the head that moved the connection: after a failover it is reset
 *   NO_REST      a delivery does not tell a head that has come back of what it had before: it is reset after the next failover
 *   NO_HOLD      a head resets what it does not know as soon as it has the address: what is on its way to be told is reset
 *   NO_STANDBY   it holds from when its process has heard that it has the address: a packet was there before
 *   NO_READY     a head that has just started gets the address before it has been told: its hold ends first
 *   NO_LATER     the word that comes last counts, not the later connection: packets go to the old delivery, which resets them
 */

#define A 0
#define B 1

#ifdef NO_HOLD
#define HELD false
#else
#define HELD true
#endif
#ifdef NO_STANDBY
#define HELD_BEFORE false
#else
#define HELD_BEFORE HELD
#endif
#ifdef NO_READY
#define ready(h) runs[h]
#else
#define ready(h) (runs[h] && !isNew[h] && !isNew[2 + h])
#endif

/* From a delivery to a head: the connection's number, and whether it is over. Delivery d and head h have number 2d + h. */
chan link[4] = [2] of { byte, bool };
#define late(h) (len(link[h]) + len(link[2 + h]) > 0)

/* Which head has the address; whether each runs, and drops what it does not know. */
byte holder = A;
bool runs[2] = true;
bool holds[2];
/* A delivery has not been welcomed by a head that has started. */
bool isNew[4];
/* Each head's entry for the client's ends: the number of a connection, 0 for none. */
byte entry[2];
/* Connections by their numbers: 1 is delivery 0's, 2 delivery 1's. The client has the latest. */
bool live[3];
byte mine = 1;
/* How often the address moves and heads are killed, at most. */
byte moves = 4;
byte kills = 3;

inline hear(h, number, over) {
	if
	:: over && entry[h] == number -> entry[h] = 0
	:: over && entry[h] != number
#ifdef NO_LATER
	:: !over -> entry[h] = number
#else
	:: !over && number > entry[h] -> entry[h] = number
	:: !over && number <= entry[h]
#endif
	fi
}

inline tell(d, h, over) {
	if
	:: runs[h] && !isNew[2 * d + h] -> link[2 * d + h]!d + 1, over
	:: else
	fi
}

/* The head reads what a delivery has before it counts as told. */
inline register(d, h) {
	runs[h] && isNew[2 * d + h] && len(link[2 * d + h]) == 0 -> isNew[2 * d + h] = false;
#ifndef NO_REST
	if
	:: live[d + 1] -> hear(h, d + 1, false)
	:: else
	fi
#endif
}

/* Its word is on its way as soon as it has the connection. */
inline adopt(d, mover) {
	live[d + 1] = true;
	entry[mover] = d + 1;
#ifndef NO_TELL_ALL
	tell(d, 1 - mover, false)
#endif
}

proctype Delivery(byte d) {
end:	do
	/* It notices that its client is gone. */
	:: atomic { live[d + 1] && mine > d + 1 -> live[d + 1] = false; tell(d, A, true) }; atomic { tell(d, B, true) }
	:: atomic { register(d, A) }
	:: atomic { register(d, B) }
	od
}

proctype Head(byte h) {
	byte number;
	bool over;
end:	do
	:: atomic { link[h]?number, over -> if :: runs[h] -> hear(h, number, over) :: else fi }
	:: atomic { link[2 + h]?number, over -> if :: runs[h] -> hear(h, number, over) :: else fi }
#ifdef NO_STANDBY
	:: atomic { holder == h && runs[h] && !holds[h] && late(h) -> holds[h] = HELD }
#endif
	/* What was on its way has come, and all that were expected have told what they have. */
	:: atomic { holder == h && holds[h] && !late(h) && ready(h) -> holds[h] = false }
	od
}

#define mayMove(h) (holder != h && ready(h) && !(mine == 2 && entry[h] == 1 && late(h)))

inline move(h) {
	moves > 0 && mayMove(h) -> moves--; holds[1 - h] = HELD_BEFORE; holder = h
}

/* With its host: what it knew is gone, and the address goes to the other one. */
inline kill(h) {
	kills > 0 && runs[h] && (holder != h || mayMove(1 - h)) ->
	kills--; runs[h] = false; entry[h] = 0; isNew[h] = true; isNew[2 + h] = true; holder = 1 - h
}

/* What was said to the one before is nobody's. */
inline begin(h) {
	!runs[h] && !late(h) -> runs[h] = true; holds[h] = HELD_BEFORE
}

proctype World() {
end:	do
	:: atomic { move(A) }
	:: atomic { move(B) }
	:: atomic { kill(A) }
	:: atomic { kill(B) }
	:: atomic { begin(A) }
	:: atomic { begin(B) }
	od
}

active proctype Client() {
	byte at;
	atomic {
		holds[B] = HELD_BEFORE;
		adopt(0, A);
		run Delivery(0);
		run Delivery(1);
		run Head(A);
		run Head(B);
		run World()
	};
end:	do
	/* A packet, at a head that runs: its program decides. */
	:: atomic { runs[holder] ->
		at = entry[holder];
		/* Nobody resets the connection: the head's kernel does for what it does not know, another delivery's for what it does not have. */
		assert(!(at == 0 && !holds[holder]) && !(at != 0 && at != mine && !live[at]));
		at = 0 }
	/* It uses its port again, when the word of the old connection has come; the head that has the address moves the new one. */
	:: atomic { mine == 1 && ready(holder) && !late(A) && !late(B) ->
		mine = 2; adopt(1, holder) }
	od
}
