/* What a receiver does with a connection that was handed to it: answer with one fixed HTTP 200, or the alert of tls.h to a
 * client that speaks TLS, and close. */
#ifndef DRAIN_H
#define DRAIN_H

#include "bench.h"
#include "tls.h"

static const char drain_answer[] =
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n";

static long drain_answered;

/* The head has peeked at the request, so its bytes are there: they must be read, because closing a socket with
 * unread input sends RST, which can destroy the answer. The answer fits into any send buffer. Nothing here waits.
 * The end of the stream is sent with shutdown, as Node's servers do: a head may still have a copy open, and close
 * would then leave the end of the connection, and its cost, to whichever of the two closes last. */
static inline void answer_and_close(int client) {
  char request[4096];
  if (recv(client, request, sizeof request, MSG_DONTWAIT) > 0) {
    int is_tls = request[0] == TLS_HANDSHAKE;
    const void *answer = is_tls ? (const void *)tls_alert : drain_answer;
    size_t size = is_tls ? sizeof tls_alert : sizeof drain_answer - 1;
    if (send(client, answer, size, MSG_DONTWAIT | MSG_NOSIGNAL) > 0) drain_answered++;
  }
  shutdown(client, SHUT_WR);
  close(client);
}

/* The last line, when the head has closed its end. */
static inline void report_drained(void) { printf("{\"answered\":%ld}\n", drain_answered); }

static inline int connect_head(const char *path) {
  int channel = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (channel < 0) fail("socket");
  struct sockaddr_un address = unix_address(path);
  if (connect(channel, (struct sockaddr *)&address, sizeof address) < 0) fail(path);
  return channel;
}

#endif
