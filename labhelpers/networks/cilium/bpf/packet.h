/* A packet: what is read of it, what is changed in it, and what is told of it. */
#pragma once

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>

#include "maps.h"

#define FRAGMENT_OFFSET NETWORK_ORDER_16(0x1fff)
#define MORE_FRAGMENTS NETWORK_ORDER_16(0x2000)
#define FIN 1
#define SYN 2
#define RST 4
#define ACK 16
#define IP_AT ETH_HLEN

/* linux/icmp.h needs a C library for the processor that programs run on, and eBPF has none. */
struct icmp {
	__u8 type, code;
	__be16 checksum, identifier, sequence;
};
enum { ECHO_REPLY = 0, UNREACHABLE = 3, ECHO_REQUEST = 8, TIME_EXCEEDED = 11, PARAMETER_PROBLEM = 12 };

/* A packet, as far as it was read. */
struct packet {
	struct flow flow;
	__u32 payload;	 /* where the header of TCP, UDP or ICMP begins */
	__u8 ttl, flags; /* of IP; of TCP */
	__u8 echo;	 /* ICMP: an echo request or reply? */
	__u8 error;	 /* ICMP: is it an error about another packet? */
	__u8 later;	 /* is it a fragment, but not the first? */
	__u8 translated; /* was it sent to a service? */
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
