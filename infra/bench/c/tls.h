/* What the bench's clients and receivers know of TLS: a hello is answered with an alert, which costs both next to nothing. */
#ifndef TLS_H
#define TLS_H

/* The first byte of a record with a handshake message. */
enum { TLS_HANDSHAKE = 22 };

/* Fatal, user_canceled: one that no head and no proxy sends by itself, so that it can only be the receiver's. */
static const unsigned char tls_alert[] = {21, 3, 3, 0, 2, 2, 90};

#endif
