/* Programs that count packets by protocol, and what the verifier says of them.  `counts` is right; each of the others has
 * one mistake, and the kernel refuses to load it: no packet ever meets it.
 */
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>

#include "kernel.h"

MAP(packets, BPF_MAP_TYPE_ARRAY, __u32, __u64, 256, 0);

/* Right: the end of the packet is compared before it is read, and what was looked up before it is used. */
PROGRAM int counts(struct __sk_buff *skb) {
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct iphdr *ip = data + ETH_HLEN;
	if ((void *)(ip + 1) > end)
		return TC_ACT_OK;
	__u32 protocol = ip->protocol;
	__u64 *count = look_up(&packets, &protocol);
	if (count)
		*count += 1;
	return TC_ACT_OK;
}

/* The packet may be shorter than an IP header. */
PROGRAM int too_far(struct __sk_buff *skb) {
	void *data = (void *)(long)skb->data;
	struct iphdr *ip = data + ETH_HLEN;
	__u32 protocol = ip->protocol;
	__u64 *count = look_up(&packets, &protocol);
	if (count)
		*count += 1;
	return TC_ACT_OK;
}

/* There may be no entry for the protocol: then `count` is 0, and this would write to address 0 of the kernel. */
PROGRAM int unchecked(struct __sk_buff *skb) {
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct iphdr *ip = data + ETH_HLEN;
	if ((void *)(ip + 1) > end)
		return TC_ACT_OK;
	__u32 protocol = ip->protocol;
	__u64 *count = look_up(&packets, &protocol);
	*count += 1;
	return TC_ACT_OK;
}

/* It never ends, and a processor would be lost to it. */
PROGRAM int endless(struct __sk_buff *skb) {
	for (;;)
		__asm__ volatile("" ::: "memory"); /* nothing, so that the compiler leaves the loop as it is */
	return skb->len;
}
