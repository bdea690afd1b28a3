// Steering: sends the packets of connections that live elsewhere now to the host that adopted them, at layer 2.
//
// A classifier for the ingress hook of the head's network card (tc-bpf(8), direct action). "Pass" is TC_ACT_UNSPEC:
// whatever filters come after this one still see the packet, and with none it goes up the stack.
//
// steer.bpf.o beside this file is what clang makes of it (shared/bpf/compile.ts); a test holds the two together. The layouts of
// flow_key and flow are read and written by flow.ts.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define IPV4_FRAGMENT_OFFSET 0x1fff
#define IPV4_MORE_FRAGMENTS 0x2000
#define IPV6_FRAGMENT_OFFSET 0xfff8
#define IPV6_MORE_FRAGMENTS 0x0001
#define VLAN_ID 0x0fff
// Extension headers that are looked behind; a client that stacks more of them is left alone.
#define EXTENSIONS_MAX 6
// RFC 8200 section 4: these have their length in their second byte, in units of 8 bytes beyond the first 8.
#define IPV6_HOP_BY_HOP 0
#define IPV6_ROUTING 43
#define IPV6_FRAGMENT 44
#define IPV6_DESTINATION 60
#define ICMP_UNREACHABLE 3
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETER_PROBLEM 12
#define NEXT_ICMPV6 58
#define ICMPV6_ERROR_MAX 127
#define ICMP_HEAD 8
// The head's kernel repeats its SYN-ACK for 63 s (net.ipv4.tcp_synack_retries 5), and its client's answer counts until then.
#define HANDSHAKE_NS 75000000000ULL
#define TCP_SYN 0x02
#define TCP_ACK 0x10
// include/net/tcp_states.h
#define STATE_TIME_WAIT 6
#define STATE_CLOSED 7
#define STATE_LISTENING 10
#define STATE_NEW_SYN_RECEIVED 12

// Any other: the packets pass. A head marks so what it has frozen, for its successor.
enum action { HOLD = 1, FORWARD = 2 };

struct flow_key {
	__u8 saddr[16]; // IPv4 as ::ffff:a.b.c.d
	__u8 daddr[16];
	__be16 sport;
	__be16 dport;
};

struct flow {
	__u32 action;
	__u32 ifindex;
	__u8 dmac[ETH_ALEN]; // the delivery's
	__u8 smac[ETH_ALEN]; // the head's own, on ifindex
	__u32 syn_seq;	     // of the last bare SYN, which counts until syn_until
	__u64 packets;	     // held or forwarded since the action was set
	__u64 bytes;
	__u64 held_until; // CLOCK_MONOTONIC nanoseconds; of a forwarded flow its number, for the heads
	__u64 syn_until;  // the same, or 0
};

// A datagram of a forwarded flow that came in pieces: only the first has ports.
struct datagram {
	__u8 saddr[16];
	__u8 daddr[16];
	__u32 id;
};

struct way {
	__u32 ifindex;
	__u8 dmac[ETH_ALEN];
	__u8 smac[ETH_ALEN];
};

// Plain HASH, not LRU_HASH: a full table refuses a new flow instead of forgetting a live one. max_entries is the
// loader's to set.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct flow_key);
	__type(value, struct flow);
} flows SEC(".maps");

// The last datagrams in pieces: LRU, as nobody tells when one is complete.
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct datagram);
	__type(value, struct way);
} fragments SEC(".maps");

// What is neither in the table nor a socket's, to an address that another head may have had until just now: the kernel
// would reset it, and its flow may be told of any moment.
struct unknown {
	__u64 from; // CLOCK_MONOTONIC nanoseconds
	__u64 until;
	__u64 held;
	__u8 daddr[16];
	__be16 dport;
	__u8 unused[6];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct unknown);
	__uint(max_entries, 1);
} unknown SEC(".maps");

struct ipv4_head {
	__u8 version_length;
	__u8 tos;
	__be16 total_length;
	__be16 id;
	__be16 fragment;
	__u8 ttl;
	__u8 protocol;
	__be16 checksum;
	__u8 saddr[4];
	__u8 daddr[4];
};

struct ipv6_head {
	__u8 version_class_label[4];
	__be16 payload_length;
	__u8 next_header;
	__u8 hop_limit;
	__u8 saddr[16];
	__u8 daddr[16];
};

struct ipv6_fragment {
	__u8 next_header;
	__u8 reserved;
	__be16 offset;
	__be32 id;
};

struct tcp_head {
	__be16 sport;
	__be16 dport;
	__be32 seq;
	__be32 ack;
	__u8 data_offset;
	__u8 flags;
};

// What is behind an IP header.
struct inside {
	__u32 at; // where it begins, or 0 for what is left alone
	__u32 protocol;
	__u32 id; // of its datagram
	__u8 first; // it is the first piece of one
	__u8 later; // it is a later piece
};

// Headers are copied (bpf_skb_load_bytes) because a driver may leave them outside the linear part of the packet.
static __always_inline void read_ipv4(struct __sk_buff *skb, __u32 at, struct flow_key *key, struct inside *in)
{
	struct ipv4_head ip;
	__u16 fragment;

	if (bpf_skb_load_bytes(skb, at, &ip, sizeof(ip)) < 0)
		return;
	key->saddr[10] = key->saddr[11] = key->daddr[10] = key->daddr[11] = 0xff;
	__builtin_memcpy(key->saddr + 12, ip.saddr, 4);
	__builtin_memcpy(key->daddr + 12, ip.daddr, 4);
	fragment = bpf_ntohs(ip.fragment);
	in->later = (fragment & IPV4_FRAGMENT_OFFSET) != 0;
	in->first = !in->later && (fragment & IPV4_MORE_FRAGMENTS) != 0;
	in->id = ip.id;
	in->protocol = ip.protocol;
	in->at = at + (ip.version_length & 0x0f) * 4;
}

static __always_inline void read_ipv6(struct __sk_buff *skb, __u32 at, struct flow_key *key, struct inside *in)
{
	struct ipv6_fragment piece;
	struct ipv6_head ip;
	__u8 extension[2];
	__u8 next;

	if (bpf_skb_load_bytes(skb, at, &ip, sizeof(ip)) < 0)
		return;
	__builtin_memcpy(key->saddr, ip.saddr, 16);
	__builtin_memcpy(key->daddr, ip.daddr, 16);
	next = ip.next_header;
	at += sizeof(ip);
#pragma unroll
	for (int i = 0; i < EXTENSIONS_MAX; i++) {
		if (next == IPV6_FRAGMENT) {
			if (bpf_skb_load_bytes(skb, at, &piece, sizeof(piece)) < 0)
				return;
			in->later = (bpf_ntohs(piece.offset) & IPV6_FRAGMENT_OFFSET) != 0;
			in->first = !in->later && (bpf_ntohs(piece.offset) & IPV6_MORE_FRAGMENTS) != 0;
			in->id = piece.id;
			next = piece.next_header;
			at += sizeof(piece);
			// What follows is the middle of something.
			if (in->later)
				break;
		} else if (next == IPV6_HOP_BY_HOP || next == IPV6_ROUTING || next == IPV6_DESTINATION) {
			if (bpf_skb_load_bytes(skb, at, extension, sizeof(extension)) < 0)
				return;
			next = extension[0];
			at += 8 + extension[1] * 8;
		} else {
			break;
		}
	}
	in->protocol = next;
	in->at = at;
}

static __always_inline int send_on(struct __sk_buff *skb, const __u8 *macs, __u32 ifindex)
{
	// With the client's source address left in place, switches would learn that the client lives behind the head.
	bpf_skb_store_bytes(skb, 0, macs, 2 * ETH_ALEN, 0);
	return bpf_redirect(ifindex, 0);
}

// An error about a packet that a delivery has sent comes to the head, which has the address: it is for the delivery's
// kernel, which must learn the size of packets that gets through. The packet in it tells which flow it is about.
static __always_inline int steer_error(struct __sk_buff *skb, __u32 at, int ipv6)
{
	struct inside in = {};
	struct flow_key sent = {};
	struct flow_key key;
	struct flow *flow;
	__be16 ports[2];
	__u8 type;

	if (bpf_skb_load_bytes(skb, at, &type, 1) < 0)
		return TC_ACT_UNSPEC;
	if (ipv6) {
		if (type > ICMPV6_ERROR_MAX)
			return TC_ACT_UNSPEC;
		read_ipv6(skb, at + ICMP_HEAD, &sent, &in);
	} else {
		if (type != ICMP_UNREACHABLE && type != ICMP_TIME_EXCEEDED && type != ICMP_PARAMETER_PROBLEM)
			return TC_ACT_UNSPEC;
		read_ipv4(skb, at + ICMP_HEAD, &sent, &in);
	}
	if (in.at == 0 || in.protocol != IPPROTO_TCP || in.later)
		return TC_ACT_UNSPEC;
	if (bpf_skb_load_bytes(skb, in.at, ports, sizeof(ports)) < 0)
		return TC_ACT_UNSPEC;
	__builtin_memcpy(key.saddr, sent.daddr, 16);
	__builtin_memcpy(key.daddr, sent.saddr, 16);
	key.sport = ports[1];
	key.dport = ports[0];
	flow = bpf_map_lookup_elem(&flows, &key);
	if (!flow || flow->action != FORWARD)
		return TC_ACT_UNSPEC;
	return send_on(skb, flow->dmac, flow->ifindex);
}

static __always_inline int steer_piece(struct __sk_buff *skb, const struct flow_key *key, __u32 id)
{
	struct datagram datagram;
	struct way *way;

	__builtin_memcpy(datagram.saddr, key->saddr, 16);
	__builtin_memcpy(datagram.daddr, key->daddr, 16);
	datagram.id = id;
	way = bpf_map_lookup_elem(&fragments, &datagram);
	if (!way)
		return TC_ACT_UNSPEC;
	return send_on(skb, way->dmac, way->ifindex);
}

static __always_inline void remember_way(const struct flow_key *key, __u32 id, const struct flow *flow)
{
	struct datagram datagram;
	struct way way;

	__builtin_memcpy(datagram.saddr, key->saddr, 16);
	__builtin_memcpy(datagram.daddr, key->daddr, 16);
	datagram.id = id;
	way.ifindex = flow->ifindex;
	__builtin_memcpy(way.dmac, flow->dmac, ETH_ALEN);
	__builtin_memcpy(way.smac, flow->smac, ETH_ALEN);
	bpf_map_update_elem(&fragments, &datagram, &way, BPF_ANY);
}

// What the head's kernel has for a packet of these ends: a connection, or else a listener. To be released.
static __always_inline struct bpf_sock *find_socket(struct __sk_buff *skb, const struct flow_key *key, int ipv6)
{
	struct bpf_sock_tuple ends = {};
	__u32 size;

	if (ipv6) {
		__builtin_memcpy(ends.ipv6.saddr, key->saddr, 16);
		__builtin_memcpy(ends.ipv6.daddr, key->daddr, 16);
		ends.ipv6.sport = key->sport;
		ends.ipv6.dport = key->dport;
		size = sizeof(ends.ipv6);
	} else {
		__builtin_memcpy(&ends.ipv4.saddr, key->saddr + 12, 4);
		__builtin_memcpy(&ends.ipv4.daddr, key->daddr + 12, 4);
		ends.ipv4.sport = key->sport;
		ends.ipv4.dport = key->dport;
		size = sizeof(ends.ipv4);
	}
	return bpf_skc_lookup_tcp(skb, &ends, size, BPF_F_CURRENT_NETNS, 0);
}

// Whether the head's kernel has a connection with these ends: its handshake is complete, so the client has shown that it
// has seen the SYN-ACK.
static __always_inline int is_connected(struct __sk_buff *skb, const struct flow_key *key, int ipv6)
{
	struct bpf_sock *socket = find_socket(skb, key, ipv6);
	__u32 state;

	if (!socket)
		return 0;
	state = socket->state;
	bpf_sk_release(socket);
	return state != STATE_LISTENING && state != STATE_NEW_SYN_RECEIVED && state != STATE_TIME_WAIT &&
	       state != STATE_CLOSED;
}

// Whether this answers a SYN-ACK of which the head's kernel has kept nothing but a cookie, as it does in a flood. To this
// helper headers are what netinet's structs have, without options.
static __always_inline int completes_cookie(struct __sk_buff *skb, struct bpf_sock *listener, __u32 at, int ipv6)
{
	struct tcphdr tcp;
	struct ipv6hdr ip6;
	struct iphdr ip4;

	if (bpf_skb_load_bytes(skb, at, &tcp, sizeof(tcp)) < 0)
		return 0;
	if (ipv6)
		return bpf_skb_load_bytes(skb, ETH_HLEN, &ip6, sizeof(ip6)) == 0 &&
		       bpf_tcp_check_syncookie(listener, &ip6, sizeof(ip6), &tcp, sizeof(tcp)) == 0;
	return bpf_skb_load_bytes(skb, ETH_HLEN, &ip4, sizeof(ip4)) == 0 &&
	       bpf_tcp_check_syncookie(listener, &ip4, sizeof(ip4), &tcp, sizeof(tcp)) == 0;
}

// A packet of no flow. TCP sends again what is dropped; what the kernel does not know it would reset.
static __always_inline int meet_unknown(struct __sk_buff *skb, const struct flow_key *key, __u8 flags, __u32 at, int ipv6)
{
	struct unknown *word;
	struct bpf_sock *socket;
	__u32 first = 0;
	__u64 now;
	int known;

	word = bpf_map_lookup_elem(&unknown, &first);
	if (!word || word->until == 0 || (flags & (TCP_SYN | TCP_ACK)) == TCP_SYN || key->dport != word->dport)
		return TC_ACT_UNSPEC;
	for (int i = 0; i < 16; i++)
		if (key->daddr[i] != word->daddr[i])
			return TC_ACT_UNSPEC;
	now = bpf_ktime_get_ns();
	if (now < word->from || now > word->until)
		return TC_ACT_UNSPEC;
	socket = find_socket(skb, key, ipv6);
	if (socket) {
		known = socket->state != STATE_LISTENING || completes_cookie(skb, socket, at, ipv6);
		bpf_sk_release(socket);
		if (known)
			return TC_ACT_UNSPEC;
	}
	__sync_fetch_and_add(&word->held, 1);
	return TC_ACT_SHOT;
}

SEC("tc")
int baton_steer(struct __sk_buff *skb)
{
	struct flow_key key = {};
	struct inside in = {};
	struct tcp_head tcp;
	struct flow *flow;
	int ipv6;

	// A card in promiscuous mode (tcpdump) also sees frames for others, which must not be sent a second time.
	if (skb->pkt_type != PACKET_HOST)
		return TC_ACT_UNSPEC;
	// A frame of a VLAN is another network's, which may use the same addresses. (On the card of a VLAN the tag is gone.)
	if (skb->vlan_present && (skb->vlan_tci & VLAN_ID) != 0)
		return TC_ACT_UNSPEC;
	ipv6 = skb->protocol == bpf_htons(ETH_P_IPV6);
	if (ipv6)
		read_ipv6(skb, ETH_HLEN, &key, &in);
	else if (skb->protocol == bpf_htons(ETH_P_IP))
		read_ipv4(skb, ETH_HLEN, &key, &in);
	if (in.at == 0)
		return TC_ACT_UNSPEC;
	if (in.later)
		return steer_piece(skb, &key, in.id);
	if (in.protocol == (ipv6 ? NEXT_ICMPV6 : IPPROTO_ICMP))
		return steer_error(skb, in.at, ipv6);
	if (in.protocol != IPPROTO_TCP || bpf_skb_load_bytes(skb, in.at, &tcp, sizeof(tcp)) < 0)
		return TC_ACT_UNSPEC;
	key.sport = tcp.sport;
	key.dport = tcp.dport;
	flow = bpf_map_lookup_elem(&flows, &key);
	if (!flow)
		return meet_unknown(skb, &key, tcp.flags, in.at, ipv6);

	// A bare SYN is a new connection from the same port, which is the head's, and so is the answer to its SYN-ACK. Neither
	// shows that its sender has seen anything of the head's: they may be forged, and the flow stays. It is forgotten when
	// the head's kernel has found the handshake to be complete (RFC 5961 sections 3 to 5 leave that to whoever knows the
	// numbers).
	if ((tcp.flags & (TCP_SYN | TCP_ACK)) == TCP_SYN) {
		flow->syn_seq = bpf_ntohl(tcp.seq);
		flow->syn_until = bpf_ktime_get_ns() + HANDSHAKE_NS;
		return TC_ACT_UNSPEC;
	}
	// What is held or marked has a socket at the head still.
	if (flow->syn_until && flow->action == FORWARD) {
		if (is_connected(skb, &key, ipv6)) {
			bpf_map_delete_elem(&flows, &key);
			return TC_ACT_UNSPEC;
		}
		if (bpf_ktime_get_ns() > flow->syn_until)
			flow->syn_until = 0;
		else if (bpf_ntohl(tcp.seq) == flow->syn_seq + 1)
			return TC_ACT_UNSPEC;
	}

	// A hold ends by itself: when its head has died, the client must learn it (RST) instead of waiting for ever.
	if (flow->action == HOLD && bpf_ktime_get_ns() > flow->held_until)
		return TC_ACT_UNSPEC;

	__sync_fetch_and_add(&flow->packets, skb->gso_segs ? skb->gso_segs : 1);
	__sync_fetch_and_add(&flow->bytes, skb->len);
	if (flow->action == HOLD)
		return TC_ACT_SHOT; // TCP sends it again
	if (flow->action != FORWARD)
		return TC_ACT_UNSPEC;
	if (in.first)
		remember_way(&key, in.id, flow);
	return send_on(skb, flow->dmac, flow->ifindex);
}

char _license[] SEC("license") = "GPL";
