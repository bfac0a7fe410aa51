/* One address that stands for several pods, and proxies in front of pods. */
#pragma once

#include "packet.h"

#define LOOPBACK NETWORK_ORDER_32(0xa9fe2a01) /* 169.254.42.1, which nobody has; the product takes it for the same */

/* A packet to a service goes to one of its backends.  A flow stays with the one that it began with. */
INLINE enum reason balance(struct __sk_buff *skb, struct packet *p) {
	struct frontend frontend = {p->flow.destination, p->flow.destination_port, p->flow.protocol};
	struct service *service = look_up(&services, &frontend);
	if (!service)
		return FORWARDED;
	p->translated = 1;
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
	struct flow answer = backwards(&p->flow);
	if (chosen)
		update(&translations, &asked, &to, BPF_ANY);
	if (chosen || !look_up(&translations, &answer))
		update(&translations, &answer, &from, BPF_ANY);
	return FORWARDED;
}

/* From this port the pod itself is asked now, and not a service any more: then the answer comes from the pod, too. */
INLINE void untranslate(struct packet *p) {
	struct flow answer = backwards(&p->flow);
	if (look_up(&translations, &answer))
		remove(&translations, &answer);
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
