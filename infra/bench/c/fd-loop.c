/* The least that a head can do to hand a connection over: accept4, recv(MSG_PEEK), sendmsg(SCM_RIGHTS), close.
 *
 * One thread, one receiver, everything blocking: it waits in accept4 for a connection and in recv for its first
 * bytes. There are no limits, no credits, no acknowledgement and no look at what the bytes say, so it is a floor to
 * measure a head against and not a usable one: a single silent client stops it.
 *
 * With `taken` it waits for a byte from the receiver before it closes, as a head must that is not to lose a connection when
 * its receiver dies: one sleep more for each.
 *
 * Usage: fd-loop SOCKET [taken]
 *                           receivers connect to SOCKET (Unix, SEQPACKET); the first one gets every connection
 */
#define _GNU_SOURCE
#include "bench.h"

static int accept_receiver(const char *path) {
  int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (listener < 0) fail("socket");
  struct sockaddr_un address = unix_address(path);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0) fail("bind");
  if (listen(listener, 1) < 0) fail("listen");
  int receiver = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
  if (receiver < 0) fail("accept4");
  close(listener);
  return receiver;
}

/* One message: one byte (a message with no data reads as the end of the channel) and one descriptor. */
static int send_descriptor(int channel, int descriptor) {
  char byte = 0;
  struct iovec data = {.iov_base = &byte, .iov_len = 1};
  union {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr aligned;
  } control;
  struct msghdr message = {
      .msg_iov = &data, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
  struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(rights), &descriptor, sizeof descriptor);
  return sendmsg(channel, &message, 0) == 1 ? 0 : -1;
}

int main(int argc, char **argv) {
  int awaits_taken = argc == 3 && strcmp(argv[2], "taken") == 0;
  if (argc != 2 && !awaits_taken) refuse("usage: fd-loop SOCKET [taken]");
  live_with_parent();
  allow_descriptors(); /* also the bound on descriptors in flight (ETOOMANYREFS, unix(7)) */
  int listener = listen_loopback();
  announce("fd-loop", listener);
  int receiver = accept_receiver(argv[1]);
  char first[2048];
  for (;;) {
    int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (client < 0) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      fail("accept4");
    }
    if (recv(client, first, sizeof first, MSG_PEEK) > 0 && send_descriptor(receiver, client) < 0) fail("sendmsg");
    if (awaits_taken && recv(receiver, first, 1, 0) != 1) fail("recv");
    close(client);
  }
}
