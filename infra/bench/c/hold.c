/* Opens connections and keeps them: each sends one request, reads the beginning of its answer and then stays silent.
 * It says "ready" when all are open, and closes them when it ends. All come from one source address of loopback, which
 * has fewer than 30,000 free ports by default. No more than IN_PROGRESS are being opened at a time.
 *
 * Usage: hold HOST:PORT CONNECTIONS SOURCE
 */
#define _GNU_SOURCE
#include <poll.h>

#include "bench.h"

enum { IN_PROGRESS = 64, ANSWER_WITHIN_MILLIS = 10000 };

static struct sockaddr_in server, source;
static char request[256];

static int begin(void) {
  int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (client < 0) fail("socket");
  /* The port is chosen at connect, when it is known which others are taken for this very server (ip(7)). */
  int on = 1;
  setsockopt(client, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  if (bind(client, (struct sockaddr *)&source, sizeof source) < 0) fail("bind");
  if (connect(client, (struct sockaddr *)&server, sizeof server) < 0) fail("connect");
  if (send(client, request, strlen(request), MSG_NOSIGNAL) < 0) fail("send");
  return client;
}

static void await_answer(int client) {
  char answer[4096];
  struct pollfd ready = {.fd = client, .events = POLLIN};
  if (poll(&ready, 1, ANSWER_WITHIN_MILLIS) != 1) refuse("hold: no answer in time");
  ssize_t got = recv(client, answer, sizeof answer - 1, 0);
  if (got <= 0 || strncmp(answer, "HTTP/1.1 200", 12) != 0) refuse("hold: not the answer that was due");
}

int main(int argc, char **argv) {
  char host[64];
  int port;
  if (argc != 4) refuse("usage: hold HOST:PORT CONNECTIONS SOURCE");
  server.sin_family = source.sin_family = AF_INET;
  if (inet_pton(AF_INET, argv[3], &source.sin_addr) != 1) refuse("hold: the source is an IPv4 address");
  if (sscanf(argv[1], "%63[0-9.]:%d", host, &port) != 2 || inet_pton(AF_INET, host, &server.sin_addr) != 1)
    refuse("hold: the address is IPV4:PORT");
  server.sin_port = htons((unsigned short)port);
  snprintf(request, sizeof request, "GET /bench HTTP/1.1\r\nHost: %s\r\n\r\n", argv[1]);
  live_with_parent();
  allow_descriptors();
  long wanted = atol(argv[2]);
  for (long held = 0; held < wanted;) {
    int clients[IN_PROGRESS], count = 0;
    for (; count < IN_PROGRESS && held + count < wanted; count++) clients[count] = begin();
    for (int at = 0; at < count; at++) await_answer(clients[at]);
    held += count;
  }
  printf("{\"ready\":\"hold\",\"pid\":%d}\n", getpid());
  fflush(stdout);
  for (;;) pause();
}
