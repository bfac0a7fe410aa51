/* What a program may call, and how it says which maps it wants.
 *
 * A helper function of the kernel has a number; calling "address 6" is compiled to "call helper 6".  The numbers are in
 * enum bpf_func_id of linux/bpf.h, and what each does is in `man 7 bpf-helpers`.
 */
#pragma once

#include <linux/bpf.h>

#define PROGRAM __attribute__((section("tc"), used))
#define INLINE static inline __attribute__((always_inline))
#define NETWORK_ORDER_16(x) ((__be16)__builtin_bswap16(x))
#define NETWORK_ORDER_32(x) ((__be32)__builtin_bswap32(x))
#define OFFSET_OF(type, field) __builtin_offsetof(type, field)

/* A map is five numbers in the section "maps"; the loader reads them and creates it. */
struct map {
	__u32 type, key_size, value_size, entries, flags;
};
#define MAP(name, kind, key, value, entries, flags)                                                                    \
	struct map name __attribute__((section("maps"), used)) = {kind, sizeof(key), sizeof(value), entries, flags}

static void *(*look_up)(void *map, const void *key) = (void *)BPF_FUNC_map_lookup_elem;
static long (*update)(void *map, const void *key, const void *value, __u64 flags) = (void *)BPF_FUNC_map_update_elem;
static long (*remove)(void *map, const void *key) = (void *)BPF_FUNC_map_delete_elem;
static __u64 (*nanoseconds)(void) = (void *)BPF_FUNC_ktime_get_ns;
static long (*load)(const void *packet, __u32 from, void *to, __u32 size) = (void *)BPF_FUNC_skb_load_bytes;
static long (*store)(void *packet, __u32 at, const void *from, __u32 size, __u64 flags) =
	(void *)BPF_FUNC_skb_store_bytes;
static long (*fix_ip_checksum)(void *packet, __u32 at, __u64 old, __u64 new, __u64 size) =
	(void *)BPF_FUNC_l3_csum_replace;
static long (*fix_checksum)(void *packet, __u32 at, __u64 old, __u64 new, __u64 flags) =
	(void *)BPF_FUNC_l4_csum_replace;
static long (*set_kind)(void *packet, __u32 kind) = (void *)BPF_FUNC_skb_change_type;
static long (*redirect)(__u32 interface, __u64 flags) = (void *)BPF_FUNC_redirect;
static long (*redirect_neighbour)(__u32 interface, struct bpf_redir_neigh *next_hop, int size, __u64 flags) =
	(void *)BPF_FUNC_redirect_neigh;
static long (*redirect_peer)(__u32 interface, __u64 flags) = (void *)BPF_FUNC_redirect_peer;
static long (*get_tunnel_key)(void *packet, struct bpf_tunnel_key *key, __u32 size, __u64 flags) =
	(void *)BPF_FUNC_skb_get_tunnel_key;
static long (*set_tunnel_key)(void *packet, struct bpf_tunnel_key *key, __u32 size, __u64 flags) =
	(void *)BPF_FUNC_skb_set_tunnel_key;
static __u32 (*hash_of)(void *packet) = (void *)BPF_FUNC_get_hash_recalc;
static void *(*reserve)(void *ring, __u64 size, __u64 flags) = (void *)BPF_FUNC_ringbuf_reserve;
static void (*submit)(void *record, __u64 flags) = (void *)BPF_FUNC_ringbuf_submit;
