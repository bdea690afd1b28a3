// Careful resume (RFC 9959): a connection that is restored after it has sent begins with the window that it is given here, not
// with the one of a new connection.
//
// A sock_ops program, which the kernel calls at the turning points of all TCP connections of a cgroup. In repair mode connect
// comes to be "established" at once: that is the only moment in which the window can be set (net/core/filter.c, TCP_BPF_IW:
// before any segment with data was sent). The process that restores says beforehand, in `orders`, which socket it is about.
//
// resume.bpf.o beside this file is what clang makes of it (../bpf/compile.ts); a test holds the two together. The layout of
// order is written by resume.ts.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define SOL_SOCKET 1
#define SOL_TCP 6
#define SO_MAX_PACING_RATE 47
#define ANY_RATE 0xffffffff

struct order {
	__u64 cookie; // of the socket (SO_COOKIE)
	__u32 window; // as it was when it was saved; segments
	__u32 start;  // what it may have of that, and a little
	__u32 rate;   // bytes a second until a round trip has been measured
	__u32 done;   // it was here
};

// One place: a thread restores one connection at a time, and each has a program of its own.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct order);
	__uint(max_entries, 1);
} orders SEC(".maps");

// Cookies of those whose rate is limited: others may ask for RTT_CB as well, and limit sockets for reasons of their own. LRU, as
// nobody tells of those that end before anything was acknowledged.
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, __u64);
	__type(value, __u32);
} unconfirmed SEC(".maps");

static void begin(struct bpf_sock_ops *socket)
{
	const __u32 first = 0;
	struct order *order = bpf_map_lookup_elem(&orders, &first);
	__u64 cookie = bpf_get_socket_cookie(socket);

	if (!order || order->cookie != cookie)
		return;
	order->done = 1;
	// What the route says (ip-route(8), initcwnd), else ten segments: nobody gets less than that who had more.
	__u32 initial = socket->snd_cwnd;
	__u32 wanted = order->start;
	__u32 rate = order->rate;
	if (wanted < initial)
		wanted = order->window < initial ? order->window : initial;
	if (wanted == initial)
		return;
	// Written once: without CAP_PERFMON Linux 6.1 takes a second write to a part of the stack for one to a pointer there.
	__u32 start = wanted;
	if (bpf_setsockopt(socket, SOL_TCP, TCP_BPF_IW, &start, sizeof(start)) != 0 || start < initial)
		return;
	// Until a round trip is measured BBR takes it for 1 ms, and others do not pace at all.
	if (bpf_map_update_elem(&unconfirmed, &cookie, &first, BPF_ANY) != 0 ||
	    bpf_sock_ops_cb_flags_set(socket, socket->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_RTT_CB_FLAG) != 0)
		return;
	bpf_setsockopt(socket, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, sizeof(rate));
}

// The path is as it was; from here on the kernel knows better.
static void confirm(struct bpf_sock_ops *socket)
{
	__u64 cookie = bpf_get_socket_cookie(socket);
	__u32 rate = ANY_RATE;

	if (bpf_map_delete_elem(&unconfirmed, &cookie) != 0)
		return;
	bpf_setsockopt(socket, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, sizeof(rate));
	bpf_sock_ops_cb_flags_set(socket, socket->bpf_sock_ops_cb_flags & ~BPF_SOCK_OPS_RTT_CB_FLAG);
}

SEC("sockops")
int resume(struct bpf_sock_ops *socket)
{
	if (socket->op == BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB)
		begin(socket);
	else if (socket->op == BPF_SOCK_OPS_RTT_CB)
		confirm(socket);
	return 1;
}

char _license[] SEC("license") = "GPL";
