/* A small model of Cilium's datapath: three programs, run on every packet that comes in from a pod, from the network
 * between the nodes, and out of the tunnel.  They decide, and send the packet straight to where it belongs; the node's
 * routes, its bridges and its iptables or nftables are not asked.
 *
 * labhelpers/networks/cilium/datapath.py says in words what they decide, in the same order.
 *
 * `make bpf` compiles this.  A program may not loop without limit nor read where nothing is, and the kernel's verifier
 * proves that before it loads one: that is why each look-up is followed by "was there something?".
 */
#include <linux/if_packet.h>

#include "services.h"
#include "verdict.h"

#define INTERNET 2 /* AF_INET */
#define JUDGED 1 /* the mark of a packet that goes on by the node's routes: what comes from a pod without it is dropped */
#define FIRST_POD 256 /* identities of pods begin here, see identity.py */

/* linux/if_arp.h needs a C library, too. */
struct arp {
	__be16 hardware, protocol;
	__u8 hardware_length, protocol_length;
	__be16 operation;
	__u8 sender[6], sender_address[4], target[6], target_address[4];
};
enum { ARP_REQUEST = 1, ARP_REPLY = 2 };

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
		if (node->services && !p->translated)
			untranslate(p);
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
