/* What waking a sleeping host's process and being woken by it takes, and nothing else: a byte there and back over TCP.
 *
 * `serve` answers each byte with a byte, one connection after the other, blocking. The other form sends one every GAP_MICROS, as
 * soon as it wakes, and prints one JSON line: how long the answers took, microseconds.
 *
 * Usage: ping serve ADDRESS
 *        ping ADDRESS:PORT COUNT GAP_MICROS
 */
#define _GNU_SOURCE
#include <netinet/tcp.h>

#include "bench.h"

enum { MAX_COUNT = 1000000 };

static double now_micros(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1e6 + now.tv_nsec / 1e3;
}

static void sleep_until(double micros) {
  struct timespec then = {.tv_sec = (time_t)(micros / 1e6)};
  then.tv_nsec = (long)((micros - then.tv_sec * 1e6) * 1e3);
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &then, NULL) == EINTR) {
  }
}

static int byte_there_and_back(int socket, int first) {
  char byte = 'b';
  if (first && send(socket, &byte, 1, 0) != 1) return 0;
  if (recv(socket, &byte, 1, 0) != 1) return 0;
  return first || send(socket, &byte, 1, 0) == 1;
}

static void send_at_once(int socket) {
  int yes = 1;
  if (setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) < 0) fail("TCP_NODELAY");
}

static int serve(const char *address) {
  struct sockaddr_in here = {.sin_family = AF_INET};
  if (inet_pton(AF_INET, address, &here.sin_addr) != 1) refuse("ping: ADDRESS is an IPv4 address");
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0) fail("socket");
  if (bind(listener, (struct sockaddr *)&here, sizeof here) < 0) fail("bind");
  if (listen(listener, 1) < 0) fail("listen");
  socklen_t size = sizeof here;
  if (getsockname(listener, (struct sockaddr *)&here, &size) < 0) fail("getsockname");
  printf("{\"ready\":\"ping\",\"listen\":\"%s:%d\",\"pid\":%d}\n", address, ntohs(here.sin_port), getpid());
  fflush(stdout);
  for (;;) {
    int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (client < 0) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      fail("accept4");
    }
    send_at_once(client);
    while (byte_there_and_back(client, 0)) {
    }
    close(client);
  }
}

static int by_size(const void *a, const void *b) {
  const double one = *(const double *)a, other = *(const double *)b;
  return (one > other) - (one < other);
}

int main(int count, char **args) {
  live_with_parent();
  if (count == 3 && strcmp(args[1], "serve") == 0) return serve(args[2]);
  if (count != 4) refuse("usage: ping serve ADDRESS | ping ADDRESS:PORT COUNT GAP_MICROS");
  struct sockaddr_in server = {.sin_family = AF_INET};
  char host[64];
  int port;
  if (sscanf(args[1], "%63[0-9.]:%d", host, &port) != 2 || inet_pton(AF_INET, host, &server.sin_addr) != 1)
    refuse("ping: the address is IPv4:PORT");
  server.sin_port = htons((uint16_t)port);
  long times = atol(args[2]), gap = atol(args[3]);
  if (times < 1 || times > MAX_COUNT || gap < 0) refuse("ping: COUNT is 1 to 1000000, GAP_MICROS not negative");
  int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connection < 0) fail("socket");
  if (connect(connection, (struct sockaddr *)&server, sizeof server) < 0) fail("connect");
  send_at_once(connection);
  double *took = calloc((size_t)times, sizeof *took);
  if (!took) fail("calloc");
  double next = now_micros();
  for (long i = 0; i < times; i++) {
    next += gap;
    sleep_until(next);
    double began = now_micros();
    if (!byte_there_and_back(connection, 1)) refuse("ping: the other side ended");
    took[i] = now_micros() - began;
  }
  qsort(took, (size_t)times, sizeof *took, by_size);
  printf("{\"count\":%ld,\"p50\":%.1f,\"p99\":%.1f}\n", times, took[times / 2], took[times * 99 / 100]);
  return 0;
}
