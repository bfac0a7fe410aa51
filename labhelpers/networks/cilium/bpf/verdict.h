/* The verdict: does a packet belong to a flow that was allowed to begin, and if not, what do the policies say? */
#pragma once

#include "packet.h"

#define SECOND 1000000000ull

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
	/* what is to begin a connection is asked about even if there is one, lest an answer opens the way back for all */
	if ((p->flags & (SYN | ACK)) == SYN)
		return 0;
	__u32 answer = 0;
	struct state *state = known(&flow);
	if (!state) {
		flow = backwards(&p->flow);
		state = known(&flow);
		answer = 1;
	}
	if (!state)
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
