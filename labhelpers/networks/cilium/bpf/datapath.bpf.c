/* A small model of Cilium's datapath: three programs, run on every packet that comes in from a pod, from the network
 * between the nodes, and out of the tunnel.  They decide, and send the packet straight to where it belongs; the node's
 * routes, its bridges and its iptables or nftables are not asked.
 *
 * labhelpers/networks/cilium/datapath.py says in words what they decide, in the same order.
 *
 * `make bpf` compiles this.  A program may not loop without limit nor read where nothing is, and the kernel's verifier
 * proves that before it loads one: that is why each look-up is followed by "was there something?".
 */
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>

#include "maps.h"

#define SECOND 1000000000ull
#define FRAGMENT_OFFSET NETWORK_ORDER_16(0x1fff)
#define MORE_FRAGMENTS NETWORK_ORDER_16(0x2000)
#define FIN 1
#define SYN 2
#define RST 4
#define ACK 16
#define IP_AT ETH_HLEN
#define INTERNET 2 /* AF_INET */
#define LOOPBACK NETWORK_ORDER_32(0xa9fe2a01) /* 169.254.42.1, which nobody has; the product takes it for the same */
#define JUDGED 1 /* the mark of a packet that goes on by the node's routes: what comes from a pod without it is dropped */
#define FIRST_POD 256 /* identities of pods begin here, see identity.py */

/* linux/icmp.h and linux/if_arp.h need a C library for the processor that programs run on, and eBPF has none. */
struct icmp {
	__u8 type, code;
	__be16 checksum, identifier, sequence;
};
enum { ECHO_REPLY = 0, UNREACHABLE = 3, ECHO_REQUEST = 8, TIME_EXCEEDED = 11, PARAMETER_PROBLEM = 12 };
struct arp {
	__be16 hardware, protocol;
	__u8 hardware_length, protocol_length;
	__be16 operation;
	__u8 sender[6], sender_address[4], target[6], target_address[4];
};
enum { ARP_REQUEST = 1, ARP_REPLY = 2 };

/* A packet, as far as it was read. */
struct packet {
	struct flow flow;
	__u32 payload;	 /* where the header of TCP, UDP or ICMP begins */
	__u8 ttl, flags; /* of IP; of TCP */
	__u8 echo;	 /* ICMP: an echo request or reply? */
	__u8 error;	 /* ICMP: is it an error about another packet? */
	__u8 later;	 /* is it a fragment, but not the first? */
	__u32 source_identity, destination_identity;
	__u32 direction, asked, rule; /* where a policy was asked last, and the rule that allowed it */
};

INLINE void tell(struct packet *p, enum reason reason) {
	__u32 only = 0;
	struct event *event = reserve(&events, sizeof(*event), 0);
	if (!event) { /* nobody reads, or not fast enough */
		__u64 *count = look_up(&lost, &only);
		if (count)
			__sync_fetch_and_add(count, 1);
		return;
	}
	event->time = nanoseconds();
	event->source = p->flow.source;
	event->destination = p->flow.destination;
	event->source_port = p->flow.protocol == IPPROTO_ICMP ? 0 : p->flow.source_port;
	event->destination_port = p->flow.protocol == IPPROTO_ICMP ? 0 : p->flow.destination_port;
	event->protocol = p->flow.protocol;
	event->reason = reason;
	event->direction = p->direction;
	event->asked = p->asked;
	event->source_identity = p->source_identity;
	event->destination_identity = p->destination_identity;
	event->rule = p->rule;
	event->unused = 0;
	submit(event, 0);
}

INLINE void count(struct __sk_buff *skb, enum direction direction, enum reason reason) {
	__u32 index = direction * REASONS + reason;
	struct count *count = look_up(&drops, &index);
	if (count) {
		__sync_fetch_and_add(&count->packets, 1);
		__sync_fetch_and_add(&count->bytes, skb->len);
	}
}

INLINE int drop(struct __sk_buff *skb, struct packet *p, enum reason reason) {
	count(skb, p->direction, reason);
	tell(p, reason);
	return TC_ACT_SHOT;
}

/* Read the headers.  Returns a reason if that is not possible. */
INLINE enum reason read(struct __sk_buff *skb, struct packet *p) {
	struct iphdr ip;
	if (load(skb, IP_AT, &ip, sizeof(ip)))
		return NOT_READABLE;
	p->flow.source = ip.saddr;
	p->flow.destination = ip.daddr;
	if (ip.version != 4 || ip.ihl < 5)
		return NOT_READABLE;
	p->flow.protocol = ip.protocol;
	p->ttl = ip.ttl;
	p->payload = IP_AT + ip.ihl * 4;
	struct pieces pieces = {ip.saddr, ip.daddr, ip.id, ip.protocol};
	if (ip.frag_off & FRAGMENT_OFFSET) {
		struct ports *known = look_up(&fragments, &pieces);
		if (!known)
			return NO_FIRST_FRAGMENT;
		p->flow.source_port = known->source;
		p->flow.destination_port = known->destination;
		p->later = 1;
		return FORWARDED;
	}
	if (ip.protocol == IPPROTO_TCP || ip.protocol == IPPROTO_UDP) {
		if (load(skb, p->payload, &p->flow.source_port, 4))
			return NOT_READABLE;
		if (ip.protocol == IPPROTO_TCP && load(skb, p->payload + 13, &p->flags, 1))
			return NOT_READABLE;
	} else if (ip.protocol == IPPROTO_ICMP) {
		struct icmp icmp;
		if (load(skb, p->payload, &icmp, sizeof(icmp)))
			return NOT_READABLE;
		if (icmp.type == ECHO_REQUEST || icmp.type == ECHO_REPLY) {
			p->echo = 1;
			p->flow.source_port = p->flow.destination_port = icmp.identifier;
		}
		p->error = icmp.type == UNREACHABLE || icmp.type == TIME_EXCEEDED ||
			   icmp.type == PARAMETER_PROBLEM;
	}
	if (ip.frag_off & MORE_FRAGMENTS) {
		struct ports first = {p->flow.source_port, p->flow.destination_port};
		update(&fragments, &pieces, &first, BPF_ANY);
	}
	return FORWARDED;
}

INLINE struct flow backwards(struct flow *one) {
	struct flow other = {one->destination, one->source, one->destination_port, one->source_port, one->protocol};
	return other;
}

/* The state of a flow that was allowed to begin, unless it was silent for too long. */
INLINE struct state *known(struct flow *flow) {
	struct state *state = look_up(&flows, flow);
	if (!state)
		return 0;
	__u64 most = 60; /* seconds; limits.py has the same numbers */
	if (flow->protocol == IPPROTO_TCP)
		most = state->ending ? 10 : state->answered ? 21600 : 60;
	return nanoseconds() - state->last > most * SECOND ? 0 : state;
}

/* Is it a packet of a known flow, of either direction, or an ICMP error about one? */
INLINE int continues(struct __sk_buff *skb, struct packet *p) {
	struct flow flow = p->flow;
	if (p->error && !p->later) { /* it carries the beginning of the packet that it is about */
		struct iphdr inner;
		__u32 at = p->payload + sizeof(struct icmp);
		if (load(skb, at, &inner, sizeof(inner)) || inner.ihl < 5)
			return 0;
		/* who gets an error is who sent the packet */
		if (inner.saddr != p->flow.destination)
			return 0;
		struct flow about = {inner.saddr, inner.daddr, 0, 0, inner.protocol};
		at += inner.ihl * 4;
		if (inner.protocol == IPPROTO_ICMP) {
			struct icmp echo;
			if (load(skb, at, &echo, sizeof(echo)))
				return 0;
			about.source_port = about.destination_port = echo.identifier;
		} else if (load(skb, at, &about.source_port, 4)) {
			return 0;
		}
		struct flow answer = backwards(&about);
		return known(&about) || known(&answer);
	}
	__u32 answer = 0;
	struct state *state = known(&flow);
	if (!state) {
		/* an answer does not begin a connection of its own */
		if (flow.protocol == IPPROTO_TCP && (p->flags & (SYN | ACK)) == SYN)
			return 0;
		flow = backwards(&p->flow);
		state = known(&flow);
		answer = 1;
	}
	if (!state)
		return 0;
	if (state->ending && (p->flags & (SYN | ACK)) == SYN) /* the ports are used again: ask again */
		return 0;
	state->last = nanoseconds();
	if (answer)
		state->answered = 1;
	if (p->flags & (FIN | RST))
		state->ending = 1;
	__sync_fetch_and_add(&state->packets, 1);
	__sync_fetch_and_add(&state->bytes, skb->len);
	return 1;
}

/* May pods of the identity `subject` send to (or hear) `remote`? */
INLINE int allowed(struct __sk_buff *skb, struct packet *p, enum direction direction, __u32 subject, __u32 remote) {
	struct side side = {subject, direction};
	if (!look_up(&isolated, &side))
		return 1;
	p->asked = 1;
	p->direction = direction;
	p->rule = 0;
	struct question question = {QUESTION_BITS, subject, remote, direction, p->flow.protocol, 0};
	if (p->flow.protocol != IPPROTO_ICMP)
		question.port = p->flow.destination_port;
	struct answer *answer = look_up(&policy, &question);
	if (!answer) {
		question.remote = 0; /* any */
		answer = look_up(&policy, &question);
	}
	if (!answer)
		return 0;
	p->rule = answer->rule;
	__sync_fetch_and_add(&answer->packets, 1);
	__sync_fetch_and_add(&answer->bytes, skb->len);
	return 1;
}

INLINE void one_hop_less(struct __sk_buff *skb, struct packet *p) {
	__u8 less = p->ttl - 1;
	/* the checksum is over pairs of bytes: TTL is the first of the pair (TTL, protocol) */
	fix_ip_checksum(skb, IP_AT + OFFSET_OF(struct iphdr, check), p->ttl, less, 2);
	store(skb, IP_AT + OFFSET_OF(struct iphdr, ttl), &less, 1, 0);
}

/* Replace an address and a port, source or destination, and mend both checksums. */
INLINE void rewrite(struct __sk_buff *skb, struct packet *p, int source, struct target *new) {
	__be32 old_address = source ? p->flow.source : p->flow.destination;
	__be16 old_port = source ? p->flow.source_port : p->flow.destination_port;
	__u32 address_at = IP_AT + (source ? OFFSET_OF(struct iphdr, saddr) : OFFSET_OF(struct iphdr, daddr));
	fix_ip_checksum(skb, IP_AT + OFFSET_OF(struct iphdr, check), old_address, new->address, 4);
	if (!p->later) {
		__u64 udp = p->flow.protocol == IPPROTO_UDP;
		__u32 at = p->payload + (udp ? 6 : 16);
		__u64 mark = udp ? BPF_F_MARK_MANGLED_0 : 0; /* UDP: a checksum of 0 means that there is none */
		fix_checksum(skb, at, old_address, new->address, BPF_F_PSEUDO_HDR | mark | 4);
		fix_checksum(skb, at, old_port, new->port, mark | 2);
		store(skb, p->payload + (source ? 0 : 2), &new->port, 2, 0);
	}
	store(skb, address_at, &new->address, 4, 0);
	if (source) {
		p->flow.source = new->address;
		p->flow.source_port = new->port;
	} else {
		p->flow.destination = new->address;
		p->flow.destination_port = new->port;
	}
}

/* A packet to a service goes to one of its backends.  A flow stays with the one that it began with. */
INLINE enum reason balance(struct __sk_buff *skb, struct packet *p) {
	struct frontend frontend = {p->flow.destination, p->flow.destination_port, p->flow.protocol};
	struct service *service = look_up(&services, &frontend);
	if (!service)
		return FORWARDED;
	struct target *chosen = 0, *before = look_up(&translations, &p->flow);
	/* a new connection from the same port is a new choice */
	if (!before || (p->flags & (SYN | ACK)) == SYN) {
		if (!service->backends)
			return NO_BACKEND;
		struct slot slot = {service->number, hash_of(skb) % service->backends};
		chosen = look_up(&backends, &slot);
		if (!chosen)
			return NO_BACKEND;
	}
	struct target to = {};
	if (chosen)
		to = *chosen;
	else if (before)
		to = *before;
	struct flow asked = p->flow;
	struct target from = {asked.destination, asked.destination_port};
	rewrite(skb, p, 0, &to);
	if (p->flow.source == p->flow.destination) { /* a pod would take a packet from its own address for a forgery */
		struct target loopback = {LOOPBACK, p->flow.source_port};
		rewrite(skb, p, 1, &loopback);
	}
	if (chosen) {
		struct flow answer = backwards(&p->flow);
		update(&translations, &asked, &to, BPF_ANY);
		update(&translations, &answer, &from, BPF_ANY);
	}
	return FORWARDED;
}

/* Does a proxy of the node stand between the two? */
INLINE int is_proxied(struct packet *p) {
	__u32 only = 0, *proxies_now = look_up(&proxies, &only);
	if (!proxies_now || !*proxies_now)
		return 0;
	struct frontend to = {p->flow.destination, p->flow.destination_port, p->flow.protocol};
	struct frontend from = {p->flow.source, p->flow.source_port, p->flow.protocol};
	return look_up(&proxied, &to) || look_up(&proxied, &from);
}

/* Straight into the pod: redirect_peer puts the packet on the far end of the cable, without a stop at this end. */
INLINE int deliver(struct __sk_buff *skb, struct packet *p, struct endpoint *to) {
	struct target *service = look_up(&translations, &p->flow);
	if (service && (p->flow.protocol == IPPROTO_TCP || p->flow.protocol == IPPROTO_UDP)) {
		struct target from = *service; /* an answer comes from whom was asked */
		rewrite(skb, p, 1, &from);
	}
	one_hop_less(skb, p);
	store(skb, OFFSET_OF(struct ethhdr, h_dest), to->mac, sizeof(to->mac), 0);
	store(skb, OFFSET_OF(struct ethhdr, h_source), to->node_mac, sizeof(to->node_mac), 0);
	return redirect_peer(to->interface, 0);
}

/* A pod that asks a service and is chosen itself: there and back by the same cable, and no policy is about that. */
INLINE int to_itself(struct __sk_buff *skb, struct packet *p, struct endpoint *pod) {
	if (p->flow.destination == LOOPBACK) {
		struct target *service = look_up(&translations, &p->flow);
		if (!service)
			return drop(skb, p, NO_BACKEND);
		struct target from = *service, to = {p->flow.source, p->flow.destination_port};
		rewrite(skb, p, 1, &from);
		rewrite(skb, p, 0, &to);
	}
	one_hop_less(skb, p);
	store(skb, OFFSET_OF(struct ethhdr, h_dest), pod->mac, sizeof(pod->mac), 0);
	store(skb, OFFSET_OF(struct ethhdr, h_source), pod->node_mac, sizeof(pod->node_mac), 0);
	return redirect_peer(pod->interface, 0);
}

/* To the node that has the pod. */
INLINE int carry(struct __sk_buff *skb, struct packet *p, __be32 node, struct settings *settings) {
	one_hop_less(skb, p);
	if (settings->overlay) { /* the VXLAN network identifier says who has sent it */
		struct bpf_tunnel_key key = {.tunnel_id = p->source_identity, .tunnel_ttl = 64};
		key.remote_ipv4 = NETWORK_ORDER_32(node); /* which this function wants in the processor's order */
		if (set_tunnel_key(skb, &key, sizeof(key), BPF_F_ZERO_CSUM_TX))
			return TC_ACT_SHOT;
		return redirect(settings->overlay, 0);
	}
	struct bpf_redir_neigh next_hop = {.nh_family = INTERNET, .ipv4_nh = node};
	return redirect_neighbour(settings->uplink, &next_hop, sizeof(next_hop), 0);
}

enum origin { POD, UPLINK, OVERLAY };

/* Decide about one packet.  `told` is the identity that the tunnel says its sender has. */
INLINE int handle(struct __sk_buff *skb, enum origin origin, __u32 told) {
	__u32 only = 0;
	struct packet packet = {}, *p = &packet;
	struct settings *node = look_up(&settings, &only);
	if (!node)
		return TC_ACT_SHOT;
	p->direction = origin == POD ? EGRESS : INGRESS;
	enum reason trouble = read(skb, p);
	if (trouble) {
		/* what is not for a pod of ours is the node's business, and it puts pieces together */
		if (origin != POD && !look_up(&endpoints, &p->flow.destination))
			return TC_ACT_OK;
		return drop(skb, p, trouble);
	}
	struct endpoint *from = 0;
	if (origin == POD) {
		from = look_up(&endpoints, &p->flow.source);
		if (!from || from->interface != skb->ifindex)
			return drop(skb, p, INVALID_SOURCE);
	}
	if (look_up(&own, &p->flow.destination) || look_up(&own, &p->flow.source))
		return TC_ACT_OK;
	if (origin == POD) {
		trouble = balance(skb, p);
		if (trouble)
			return drop(skb, p, trouble);
		if (from && (p->flow.source == LOOPBACK || p->flow.destination == LOOPBACK))
			return to_itself(skb, p, from);
	}
	struct endpoint *to = look_up(&endpoints, &p->flow.destination);
	if (!from && !to)
		return TC_ACT_OK;
	if (is_proxied(p)) /* the node's firewall gives it to the proxy, which is asked instead of policies */
		return TC_ACT_OK;

	struct block source = {32, p->flow.source}, destination = {32, p->flow.destination};
	struct located *sender = look_up(&ipcache, &source), *receiver = look_up(&ipcache, &destination);
	if (told >= FIRST_POD) /* the other node has seen who it is; of its own packets it says only that they are its */
		p->source_identity = told;
	else if (from)
		p->source_identity = from->identity;
	else if (sender)
		p->source_identity = sender->identity;
	if (to)
		p->destination_identity = to->identity;
	else if (receiver)
		p->destination_identity = receiver->identity;

	if (!continues(skb, p)) {
		if (from && !allowed(skb, p, EGRESS, p->source_identity, p->destination_identity))
			return drop(skb, p, POLICY_DENIED);
		if (to && !allowed(skb, p, INGRESS, p->destination_identity, p->source_identity))
			return drop(skb, p, POLICY_DENIED);
		struct state state = {nanoseconds(), 1, skb->len};
		update(&flows, &p->flow, &state, BPF_ANY);
		tell(p, FORWARDED);
	}
	skb->mark = JUDGED;
	if (p->ttl <= 1) /* the node says so to its sender */
		return TC_ACT_OK;
	/* the node must see what comes from outside of the cluster: else it takes the answer for something new that leaves
	 * the cluster, and gives it its own address */
	if (!from && !(sender && sender->node))
		return TC_ACT_OK;
	if (to)
		return deliver(skb, p, to);
	if (receiver && receiver->node)
		return carry(skb, p, receiver->node, node);
	return TC_ACT_OK;
}

/* A pod asks for the MAC address of its gateway, which nobody has: the node's end of its cable answers. */
INLINE int answer_arp(struct __sk_buff *skb) {
	struct arp arp;
	__be32 asks, about;
	if (load(skb, ETH_HLEN, &arp, sizeof(arp)) || arp.operation != NETWORK_ORDER_16(ARP_REQUEST))
		return TC_ACT_OK;
	__builtin_memcpy(&asks, arp.sender_address, 4);
	__builtin_memcpy(&about, arp.target_address, 4);
	struct endpoint *from = look_up(&endpoints, &asks);
	if (!from || from->interface != skb->ifindex || asks == about) /* about itself: is the address taken? */
		return TC_ACT_SHOT;
	arp.operation = NETWORK_ORDER_16(ARP_REPLY);
	__builtin_memcpy(arp.target, from->mac, 6);
	__builtin_memcpy(arp.target_address, &asks, 4);
	__builtin_memcpy(arp.sender, from->node_mac, 6);
	__builtin_memcpy(arp.sender_address, &about, 4);
	store(skb, ETH_HLEN, &arp, sizeof(arp), 0);
	store(skb, OFFSET_OF(struct ethhdr, h_dest), arp.target, 6, 0);
	store(skb, OFFSET_OF(struct ethhdr, h_source), arp.sender, 6, 0);
	return redirect(skb->ifindex, 0);
}

/* At the node's end of a pod's cable. */
PROGRAM int from_pod(struct __sk_buff *skb) {
	if (skb->protocol == NETWORK_ORDER_16(ETH_P_ARP))
		return answer_arp(skb);
	if (skb->protocol == NETWORK_ORDER_16(ETH_P_IP))
		return handle(skb, POD, 0);
	count(skb, EGRESS, NOT_IPV4); /* policies are about IPv4: nothing else may pass them by */
	return TC_ACT_SHOT;
}

/* At the node's eth0. */
PROGRAM int from_uplink(struct __sk_buff *skb) {
	return skb->protocol == NETWORK_ORDER_16(ETH_P_IP) ? handle(skb, UPLINK, 0) : TC_ACT_OK;
}

/* At cilium_vxlan, where packets come out of the tunnel. */
PROGRAM int from_overlay(struct __sk_buff *skb) {
	struct bpf_tunnel_key key = {};
	if (skb->protocol != NETWORK_ORDER_16(ETH_P_IP) || get_tunnel_key(skb, &key, sizeof(key), 0))
		return TC_ACT_SHOT;
	set_kind(skb, PACKET_HOST); /* the frame inside was addressed to another node's device */
	return handle(skb, OVERLAY, key.tunnel_id);
}
