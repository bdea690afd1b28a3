// Steering: sends the packets of connections that live elsewhere now to the host that adopted them, at layer 2.
//
// A classifier for the ingress hook of the head's network card (tc-bpf(8), direct action). "Pass" is TC_ACT_UNSPEC:
// whatever filters come after this one still see the packet, and with none it goes up the stack.
//
// steer.bpf.o beside this file is what clang makes of it (build.ts); a test holds the two together. The layouts of
// flow_key and flow are read and written by flow.ts.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define FRAGMENT_OFFSET 0x1fff
// A client that does not get through repeats its SYN after 1 s.
#define HANDSHAKE_NS 3000000000ULL
#define TCP_SYN 0x02
#define TCP_ACK 0x10

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
	__u64 held_until; // CLOCK_MONOTONIC nanoseconds
	__u64 syn_until;  // the same, or 0
};

// Plain HASH, not LRU_HASH: a full table refuses a new flow instead of forgetting a live one. max_entries is the
// loader's to set.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct flow_key);
	__type(value, struct flow);
} flows SEC(".maps");

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

struct tcp_head {
	__be16 sport;
	__be16 dport;
	__be32 seq;
	__be32 ack;
	__u8 data_offset;
	__u8 flags;
};

// Fills in the addresses; where the TCP header begins, or 0 when this is no packet to steer. Headers are copied
// (bpf_skb_load_bytes) because a driver may leave them outside the linear part of the packet.
static __always_inline __u32 read_addresses(struct __sk_buff *skb, struct flow_key *key)
{
	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		struct ipv4_head ip;
		if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) < 0)
			return 0;
		// Ports are in the first fragment only.
		if (ip.protocol != IPPROTO_TCP || ip.fragment & bpf_htons(FRAGMENT_OFFSET))
			return 0;
		key->saddr[10] = key->saddr[11] = key->daddr[10] = key->daddr[11] = 0xff;
		__builtin_memcpy(key->saddr + 12, ip.saddr, 4);
		__builtin_memcpy(key->daddr + 12, ip.daddr, 4);
		return ETH_HLEN + (ip.version_length & 0x0f) * 4;
	}
	if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		struct ipv6_head ip;
		if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) < 0)
			return 0;
		// TCP behind extension headers, fragments among them, is left alone.
		if (ip.next_header != IPPROTO_TCP)
			return 0;
		__builtin_memcpy(key->saddr, ip.saddr, 16);
		__builtin_memcpy(key->daddr, ip.daddr, 16);
		return ETH_HLEN + sizeof(ip);
	}
	return 0;
}

SEC("tc")
int baton_steer(struct __sk_buff *skb)
{
	struct flow_key key = {};
	struct tcp_head tcp;
	struct flow *flow;
	__u32 at;

	// A card in promiscuous mode (tcpdump) also sees frames for others, which must not be sent a second time.
	if (skb->pkt_type != PACKET_HOST)
		return TC_ACT_UNSPEC;
	at = read_addresses(skb, &key);
	if (at == 0 || bpf_skb_load_bytes(skb, at, &tcp, sizeof(tcp)) < 0)
		return TC_ACT_UNSPEC;
	key.sport = tcp.sport;
	key.dport = tcp.dport;
	flow = bpf_map_lookup_elem(&flows, &key);
	if (!flow)
		return TC_ACT_UNSPEC;

	// A bare SYN is a new connection from the same port, which is the head's. The flow is forgotten only when the
	// handshake's next packet follows it: a forged SYN must not end a live connection (RFC 5961 section 4).
	if ((tcp.flags & (TCP_SYN | TCP_ACK)) == TCP_SYN) {
		flow->syn_seq = bpf_ntohl(tcp.seq);
		flow->syn_until = bpf_ktime_get_ns() + HANDSHAKE_NS;
		return TC_ACT_UNSPEC;
	}
	if (flow->syn_until && bpf_ntohl(tcp.seq) == flow->syn_seq + 1 && bpf_ktime_get_ns() < flow->syn_until) {
		bpf_map_delete_elem(&flows, &key);
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
	// With the client's source address left in place, switches would learn that the client lives behind the head.
	bpf_skb_store_bytes(skb, 0, flow->dmac, 2 * ETH_ALEN, 0);
	return bpf_redirect(flow->ifindex, 0);
}

char _license[] SEC("license") = "GPL";
