/* What the C programs of the bench share: a listener, the line that says "ready", and how they end. */
#ifndef BENCH_H
#define BENCH_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* The notes' own figure, and the kernel's default cap (net.core.somaxconn). */
enum { BACKLOG = 4096 };

static inline void fail(const char *what) {
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  exit(1);
}

static inline void refuse(const char *problem) {
  fprintf(stderr, "%s\n", problem);
  exit(2);
}

static void end_quietly(int number) {
  (void)number;
  _exit(0);
}

/* SIGTERM is the ordinary end; it also comes when whoever started this program dies, so that none is left behind.
 * A client that went away must show as an error of send(2), not end the program. */
static inline void live_with_parent(void) {
  signal(SIGTERM, end_quietly);
  signal(SIGPIPE, SIG_IGN);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
}

/* As many open descriptors as this user may have: by default a process may have 1024. */
static inline void allow_descriptors(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0) fail("getrlimit");
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) < 0) fail("setrlimit");
}

/* Listens on a free port of 127.0.0.1; blocking, as all of the references are. */
static inline int listen_loopback(void) {
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0) fail("socket");
  struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (bind(listener, (struct sockaddr *)&here, sizeof here) < 0) fail("bind");
  if (listen(listener, BACKLOG) < 0) fail("listen");
  return listener;
}

static inline struct sockaddr_un unix_address(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) refuse("the socket path is too long (107 bytes at most)");
  strcpy(address.sun_path, path);
  return address;
}

/* One JSON line on stdout, in the form that `baton head` uses. */
static inline void announce(const char *name, int listener) {
  struct sockaddr_in here = {0};
  socklen_t size = sizeof here;
  if (getsockname(listener, (struct sockaddr *)&here, &size) < 0) fail("getsockname");
  printf("{\"ready\":\"%s\",\"listen\":\"127.0.0.1:%d\",\"pid\":%d}\n", name, ntohs(here.sin_port), getpid());
  fflush(stdout);
}

#endif
