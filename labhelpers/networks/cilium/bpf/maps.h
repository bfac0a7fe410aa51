/* The tables of one node.  Programs and the agent share them; ebpf/records.py has the same structs for the agent.
 *
 * They have twice the room that limits.py gives, because new entries come before old ones go.
 */
#pragma once

#include "kernel.h"

/* What the programs must know of the node; one entry. */
struct settings {
	__u32 uplink;  /* index of eth0 */
	__u32 overlay; /* index of cilium_vxlan, 0 without tunnel */
	__u32 services; /* how many there are */
};
MAP(settings, BPF_MAP_TYPE_ARRAY, __u32, struct settings, 1, 0);

/* The node's own addresses. */
MAP(own, BPF_MAP_TYPE_HASH, __be32, __u32, 512, 0);

/* The node's pods, by address. */
struct endpoint {
	__u32 interface; /* index of the node's end of its cable */
	__u32 identity;
	__u8 mac[6];	  /* of the pod's end */
	__u8 node_mac[6]; /* of the node's end */
};
MAP(endpoints, BPF_MAP_TYPE_HASH, __be32, struct endpoint, 512, 0);

/* Who has an address, and on which node: the longest prefix decides. */
struct block {
	__u32 prefix; /* bits */
	__be32 address;
};
struct located {
	__u32 identity;
	__be32 node; /* 0: this node, or outside of the cluster */
};
MAP(ipcache, BPF_MAP_TYPE_LPM_TRIE, struct block, struct located, 32768, BPF_F_NO_PREALLOC);

/* Is only what is allowed let through, to (or from) pods of an identity? */
enum direction { INGRESS, EGRESS };
struct side {
	__u32 identity;
	__u32 direction;
};
MAP(isolated, BPF_MAP_TYPE_HASH, struct side, __u32, 1024, 0);

/* What is allowed.  A range of ports is written as prefixes, as networks are: 8080-8083 are the 14 bits that these four
 * have in common.  So the longest prefix that fits is a port before all ports, and a protocol before all protocols. */
struct question {
	__u32 prefix; /* bits of what follows */
	__u32 subject, remote;
	__u8 direction, protocol;
	__be16 port;
};
#define QUESTION_BITS 96
struct answer {
	__u32 rule, unused;
	__u64 packets, bytes;
};
/* a range needs up to 30 prefixes */
MAP(policy, BPF_MAP_TYPE_LPM_TRIE, struct question, struct answer, 131072, BPF_F_NO_PREALLOC);

/* What a rule's number stands for; programs do not need it, but who reads the tables does. */
struct rule {
	char policy[320];
	__u32 number, unused;
};
MAP(rules, BPF_MAP_TYPE_HASH, __u32, struct rule, 32768, BPF_F_NO_PREALLOC);

/* The flows that were allowed to begin.  When there is no room, the one that was used least recently goes. */
struct flow {
	__be32 source, destination;
	__be16 source_port, destination_port; /* of an ICMP echo: both its identifier */
	__u8 protocol, unused[3];
};
struct state {
	__u64 last; /* nanoseconds */
	__u64 packets, bytes;
	__u32 answered, ending;
};
MAP(flows, BPF_MAP_TYPE_LRU_HASH, struct flow, struct state, 65536, 0);

/* Ports of packets that came in pieces: only the first piece has them. */
struct pieces {
	__be32 source, destination;
	__be16 number;
	__u8 protocol, unused;
};
struct ports {
	__be16 source, destination;
};
MAP(fragments, BPF_MAP_TYPE_LRU_HASH, struct pieces, struct ports, 1024, 0);

/* Services, their backends, and what was chosen for a flow: in the way of the request, and of the answer. */
struct frontend {
	__be32 address;
	__be16 port;
	__u8 protocol, unused;
};
struct service {
	__u32 number, backends;
	char name[120];
};
struct slot {
	__u32 service, number;
};
struct target {
	__be32 address;
	__be16 port, unused;
};
MAP(services, BPF_MAP_TYPE_HASH, struct frontend, struct service, 128, 0);
MAP(backends, BPF_MAP_TYPE_HASH, struct slot, struct target, 8192, BPF_F_NO_PREALLOC);
MAP(translations, BPF_MAP_TYPE_LRU_HASH, struct flow, struct target, 16384, 0);

/* TCP ports of pods in front of which a proxy of the node stands, and how many there are; one entry. */
MAP(proxied, BPF_MAP_TYPE_HASH, struct frontend, __u32, 256, 0);
MAP(proxies, BPF_MAP_TYPE_ARRAY, __u32, __u32, 1, 0);

/* What happened, for whoever listens. */
enum reason { FORWARDED, POLICY_DENIED, INVALID_SOURCE, NO_BACKEND, NO_FIRST_FRAGMENT, NOT_READABLE, NOT_IPV4, REASONS };
struct event {
	__u64 time; /* nanoseconds since the machine started */
	__be32 source, destination;
	__be16 source_port, destination_port;
	__u8 protocol, reason, direction, asked;
	__u32 source_identity, destination_identity, rule, unused;
};
MAP(events, BPF_MAP_TYPE_RINGBUF, char[0], char[0], 1 << 20, 0);
/* events that did not fit; one entry */
MAP(lost, BPF_MAP_TYPE_ARRAY, __u32, __u64, 1, 0);

/* Packets dropped, by reason and direction. */
struct count {
	__u64 packets, bytes;
};
MAP(drops, BPF_MAP_TYPE_ARRAY, __u32, struct count, 2 * REASONS, 0);
