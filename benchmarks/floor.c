// The floor: what the kernel needs for a pod network when the program around it costs next to nothing.
//
//   floor build NODE PID ADDRESS PREFIX GATEWAY COUNT   pods like the lab's, pod-0 to pod-(COUNT-1)
//   floor snapshot                                      every table of every named namespace, decoded
//   floor teardown PID                                  end the node's process, take all names away
//
// Prints the time its work took in nanoseconds; snapshot prints the number of rows of each table too.
// Raw netlink: the pod's end of the cable is born in the pod, messages that can travel together do, and only the
// last is acknowledged.  Linux only, needs what a sandbox gives: uid 0 of the namespaces it works in.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fib_rules.h>
#include <linux/if.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NAMES "/run/netns"
#define DIE(what) do { perror(what); exit(1); } while (0)

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

// ---- netlink ---------------------------------------------------------------------------------------------

static char batch[4096];  // the messages that are sent together
static int used;
static struct nlmsghdr *message;
static unsigned sequence;

static void begin(int type, int flags, const void *header, int size) {
    message = (struct nlmsghdr *)(batch + used);
    memset(message, 0, NLMSG_SPACE(size));
    message->nlmsg_type = type;
    message->nlmsg_flags = NLM_F_REQUEST | flags;
    message->nlmsg_seq = ++sequence;
    message->nlmsg_len = NLMSG_LENGTH(size);
    memcpy(NLMSG_DATA(message), header, size);
    used += NLMSG_ALIGN(message->nlmsg_len);
}

static struct rtattr *put(int type, const void *value, int size) {
    struct rtattr *attribute = (struct rtattr *)(batch + used);
    memset(attribute, 0, RTA_SPACE(size));
    attribute->rta_type = type;
    attribute->rta_len = RTA_LENGTH(size);
    if (size) memcpy(RTA_DATA(attribute), value, size);
    used += RTA_SPACE(size);
    message->nlmsg_len = batch + used - (char *)message;
    return attribute;
}

static void put_u32(int type, unsigned value) { put(type, &value, 4); }
static void put_text(int type, const char *text) { put(type, text, strlen(text) + 1); }
static void close_nest(struct rtattr *nest) { nest->rta_len = batch + used - (char *)nest; }

static int open_netlink(void) {
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), one = 1;
    if (fd < 0) DIE("socket");
    setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof one);
    setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &one, sizeof one);
    return fd;
}

static void transmit(int fd) {
    char answer[8192];
    message->nlmsg_flags |= NLM_F_ACK;
    if (send(fd, batch, used, 0) != used) DIE("send");
    used = 0;
    for (;;) {
        int size = recv(fd, answer, sizeof answer, 0);
        if (size < 0) DIE("recv");
        for (struct nlmsghdr *one = (void *)answer; NLMSG_OK(one, size); one = NLMSG_NEXT(one, size)) {
            if (one->nlmsg_type != NLMSG_ERROR) continue;
            errno = -((struct nlmsgerr *)NLMSG_DATA(one))->error;
            if (errno) DIE("netlink");
            if (one->nlmsg_seq == sequence) return;
        }
    }
}

// ---- build -----------------------------------------------------------------------------------------------

static void new_namespace(const char *name) {
    char path[128];
    snprintf(path, sizeof path, NAMES "/%s", name);
    int fd = open(path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
    if (fd < 0) DIE(path);
    close(fd);
    if (unshare(CLONE_NEWNET)) DIE("unshare");
    if (mount("/proc/thread-self/ns/net", path, NULL, MS_BIND, NULL)) DIE("mount");
    fd = open("/proc/sys/net/ipv6/conf/all/disable_ipv6", O_WRONLY | O_CLOEXEC);
    if (fd < 0) return;  // a kernel without IPv6
    if (write(fd, "1", 1) != 1) DIE("disable_ipv6");
    close(fd);
}

static void end_of_cable(const char *name, const unsigned char *mac) {
    put_text(IFLA_IFNAME, name);
    put(IFLA_ADDRESS, mac, 6);
    put_u32(IFLA_MTU, 1500);
    put_u32(IFLA_NUM_TX_QUEUES, 1);
    put_u32(IFLA_NUM_RX_QUEUES, 1);
}

static void plug_in(int node, int bridge, int number, unsigned ip) {
    struct ifinfomsg near = {.ifi_flags = IFF_UP, .ifi_change = IFF_UP}, far = {.ifi_index = 2};
    unsigned char near_mac[6] = {2, 0, 0, 0, number >> 8, number}, far_mac[6] = {0x0a, 0x58};
    unsigned network_order = htonl(ip);
    char name[IFNAMSIZ];
    memcpy(far_mac + 2, &network_order, 4);
    snprintf(name, sizeof name, "veth-pod-%d", number % 10000);
    begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &near, sizeof near);
    end_of_cable(name, near_mac);
    put_u32(IFLA_MASTER, bridge);
    struct rtattr *info = put(IFLA_LINKINFO, NULL, 0);
    put_text(IFLA_INFO_KIND, "veth");
    struct rtattr *data = put(IFLA_INFO_DATA, NULL, 0), *peer = put(VETH_INFO_PEER, &far, sizeof far);
    end_of_cable("eth0", far_mac);
    put_u32(IFLA_NET_NS_PID, syscall(SYS_gettid));
    close_nest(peer), close_nest(data), close_nest(info);
    transmit(node);
}

static void configure(unsigned ip, unsigned prefix, unsigned gateway, const char *label) {
    struct ifinfomsg lo = {.ifi_index = 1, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
    struct ifinfomsg eth0 = {.ifi_index = 2, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
    struct ifaddrmsg address = {.ifa_family = AF_INET, .ifa_prefixlen = prefix, .ifa_index = 2};
    struct rtmsg route = {.rtm_family = AF_INET, .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_BOOT,
                          .rtm_scope = RT_SCOPE_UNIVERSE, .rtm_type = RTN_UNICAST};
    int pod = open_netlink();
    begin(RTM_NEWLINK, 0, &lo, sizeof lo);
    put_text(IFLA_IFALIAS, label);
    begin(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &address, sizeof address);
    put_u32(IFA_LOCAL, htonl(ip));
    put_u32(IFA_ADDRESS, htonl(ip));
    put_u32(IFA_BROADCAST, htonl(ip | ((1u << (32 - prefix)) - 1)));
    begin(RTM_NEWLINK, 0, &eth0, sizeof eth0);
    begin(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &route, sizeof route);
    put_u32(RTA_GATEWAY, htonl(gateway));
    transmit(pod);
    close(pod);
}

static void build(const char *node, const char *pid, const char *address, int prefix, const char *gateway, int count) {
    char path[128], target[128], label[128], name[32];
    unsigned ip = ntohl(inet_addr(address)), way_out = ntohl(inet_addr(gateway));
    int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    snprintf(path, sizeof path, NAMES "/%s", node);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (setns(fd, CLONE_NEWNET)) DIE(path);
    struct ifreq request = {.ifr_name = "cni0"};
    int socket_of_node = open_netlink(), any = socket(AF_INET, SOCK_DGRAM, 0);
    if (ioctl(any, SIOCGIFINDEX, &request)) DIE("cni0");
    for (int number = 0; number < count; number++) {
        snprintf(name, sizeof name, "pod-%d", number);
        snprintf(label, sizeof label, "role=pod name=%s node=%s owner=lab", name, node);
        new_namespace(name);
        plug_in(socket_of_node, request.ifr_ifindex, number, ip + number);
        configure(ip + number, prefix, way_out, label);
        snprintf(path, sizeof path, "/proc/%s/root" NAMES "/%s", pid, name);
        snprintf(target, sizeof target, "/run/sandbox-netns/%s", name);
        if (symlink(target, path)) DIE(path);
    }
    if (setns(home, CLONE_NEWNET)) DIE("setns");
}

// ---- snapshot --------------------------------------------------------------------------------------------

typedef struct {
    char name[IFNAMSIZ], alias[256], kind[16];
    unsigned char mac[6];
    int index, master, peer, peer_namespace;
    unsigned flags, mtu, state;
} Link;

typedef struct { int index, family, prefix; unsigned char bytes[16]; } Address;
typedef struct {
    int family, prefix, device, table, protocol, scope, kind;
    unsigned char to[16], via[16], from[16];
} Route;
typedef struct { int family, index, state, flags, master; unsigned char address[16], mac[6]; } Neighbour;
typedef struct { int table; unsigned priority, from[4], to[4]; } Rule;

enum { LINKS, ADDRESSES, ROUTES, NEIGHBOURS, FDB, RULES, TABLES };

static const int sizes[] = {sizeof(Link), sizeof(Address), sizeof(Route), sizeof(Neighbour), sizeof(Neighbour),
                            sizeof(Rule)};
static char *rows[TABLES];
static int counts[TABLES];

static void *new_row(int table) {
    if (counts[table] % 1024 == 0) rows[table] = realloc(rows[table], (size_t)(counts[table] + 1024) * sizes[table]);
    void *row = rows[table] + (size_t)counts[table]++ * sizes[table];
    return memset(row, 0, sizes[table]);
}

// The attributes of one entry, by type.
static void sort_out(struct rtattr *by_type[64], void *from, int size) {
    memset(by_type, 0, 64 * sizeof *by_type);
    for (struct rtattr *one = from; RTA_OK(one, size); one = RTA_NEXT(one, size))
        if ((one->rta_type & NLA_TYPE_MASK) < 64) by_type[one->rta_type & NLA_TYPE_MASK] = one;
}

static void copy(void *to, const struct rtattr *attribute, size_t most) {
    if (!attribute) return;
    size_t size = RTA_PAYLOAD(attribute);
    memcpy(to, RTA_DATA(attribute), size < most ? size : most);
}

static void read_link(struct nlmsghdr *entry) {
    struct ifinfomsg *header = NLMSG_DATA(entry);
    struct rtattr *found[64], *info[64];
    sort_out(found, IFLA_RTA(header), IFLA_PAYLOAD(entry));
    Link *link = new_row(LINKS);
    link->index = header->ifi_index;
    link->flags = header->ifi_flags;
    link->peer_namespace = -1;
    copy(link->name, found[IFLA_IFNAME], sizeof link->name - 1);
    copy(link->alias, found[IFLA_IFALIAS], sizeof link->alias - 1);
    copy(link->mac, found[IFLA_ADDRESS], 6);
    copy(&link->mtu, found[IFLA_MTU], 4);
    copy(&link->master, found[IFLA_MASTER], 4);
    copy(&link->peer, found[IFLA_LINK], 4);
    copy(&link->peer_namespace, found[IFLA_LINK_NETNSID], 4);
    copy(&link->state, found[IFLA_OPERSTATE], 1);
    if (!found[IFLA_LINKINFO]) return;
    sort_out(info, RTA_DATA(found[IFLA_LINKINFO]), RTA_PAYLOAD(found[IFLA_LINKINFO]));
    copy(link->kind, info[IFLA_INFO_KIND], sizeof link->kind - 1);
}

static void read_address(struct nlmsghdr *entry) {
    struct ifaddrmsg *header = NLMSG_DATA(entry);
    struct rtattr *found[64];
    sort_out(found, IFA_RTA(header), IFA_PAYLOAD(entry));
    Address *address = new_row(ADDRESSES);
    address->index = header->ifa_index;
    address->family = header->ifa_family;
    address->prefix = header->ifa_prefixlen;
    copy(address->bytes, found[IFA_LOCAL] ? found[IFA_LOCAL] : found[IFA_ADDRESS], 16);
}

static void read_route(struct nlmsghdr *entry) {
    struct rtmsg *header = NLMSG_DATA(entry);
    struct rtattr *found[64];
    if (header->rtm_table == RT_TABLE_LOCAL || header->rtm_flags & RTM_F_CLONED) return;
    sort_out(found, RTM_RTA(header), RTM_PAYLOAD(entry));
    Route *route = new_row(ROUTES);
    route->family = header->rtm_family;
    route->prefix = header->rtm_dst_len;
    route->table = header->rtm_table;
    route->protocol = header->rtm_protocol;
    route->scope = header->rtm_scope;
    route->kind = header->rtm_type;
    copy(&route->table, found[RTA_TABLE], 4);
    copy(&route->device, found[RTA_OIF], 4);
    copy(route->to, found[RTA_DST], 16);
    copy(route->via, found[RTA_GATEWAY], 16);
    copy(route->from, found[RTA_PREFSRC], 16);
}

static void read_neighbour_into(int table, struct nlmsghdr *entry) {
    struct ndmsg *header = NLMSG_DATA(entry);
    struct rtattr *found[64];
    sort_out(found, (char *)header + NLMSG_ALIGN(sizeof *header), entry->nlmsg_len - NLMSG_SPACE(sizeof *header));
    Neighbour *neighbour = new_row(table);
    neighbour->family = header->ndm_family;
    neighbour->index = header->ndm_ifindex;
    neighbour->state = header->ndm_state;
    neighbour->flags = header->ndm_flags;
    copy(neighbour->address, found[NDA_DST], 16);
    copy(neighbour->mac, found[NDA_LLADDR], 6);
    copy(&neighbour->master, found[NDA_MASTER], 4);
}

static void read_neighbour(struct nlmsghdr *entry) {
    struct ndmsg *header = NLMSG_DATA(entry);
    if ((header->ndm_family == AF_INET || header->ndm_family == AF_INET6) && !(header->ndm_state & NUD_NOARP))
        read_neighbour_into(NEIGHBOURS, entry);
}

static void read_fdb(struct nlmsghdr *entry) {
    read_neighbour_into(FDB, entry);
    Neighbour *last = (Neighbour *)rows[FDB] + counts[FDB] - 1;
    if (last->mac[0] & 1 && !(last->flags & NTF_MASTER)) counts[FDB]--;  // a device's own multicast filter
}

static void read_rule(struct nlmsghdr *entry) {
    struct fib_rule_hdr *header = NLMSG_DATA(entry);
    struct rtattr *found[64];
    sort_out(found, (char *)header + NLMSG_ALIGN(sizeof *header), entry->nlmsg_len - NLMSG_SPACE(sizeof *header));
    Rule *rule = new_row(RULES);
    rule->table = header->table;
    copy(&rule->table, found[FRA_TABLE], 4);
    copy(&rule->priority, found[FRA_PRIORITY], 4);
    copy(rule->from, found[FRA_SRC], 16);
    copy(rule->to, found[FRA_DST], 16);
}

static void dump(int fd, int type, const void *header, int size, unsigned filter, void (*read)(struct nlmsghdr *)) {
    static char answer[1 << 18];
    begin(type, NLM_F_DUMP, header, size);
    if (filter) put_u32(IFLA_EXT_MASK, filter);
    if (send(fd, batch, used, 0) != used) DIE("send");
    used = 0;
    for (;;) {
        int left = recv(fd, answer, sizeof answer, 0);
        if (left < 0) DIE("recv");
        for (struct nlmsghdr *one = (void *)answer; NLMSG_OK(one, left); one = NLMSG_NEXT(one, left)) {
            if (one->nlmsg_type == NLMSG_DONE) return;
            errno = one->nlmsg_type == NLMSG_ERROR ? -((struct nlmsgerr *)NLMSG_DATA(one))->error : 0;
            if (errno) DIE("dump");
            read(one);
        }
    }
}

static void read_namespace(void) {
    struct ifaddrmsg address = {0};
    struct ifinfomsg link = {0};
    struct rtmsg route = {0};
    struct ndmsg neighbour = {0}, fdb = {.ndm_family = AF_BRIDGE};
    struct fib_rule_hdr rule = {.family = AF_INET};
    int fd = open_netlink(), first = counts[LINKS], has_fdb = 0;
    dump(fd, RTM_GETADDR, &address, sizeof address, 0, read_address);
    dump(fd, RTM_GETLINK, &link, sizeof link, RTEXT_FILTER_SKIP_STATS, read_link);
    dump(fd, RTM_GETROUTE, &route, sizeof route, 0, read_route);
    dump(fd, RTM_GETNEIGH, &neighbour, sizeof neighbour, 0, read_neighbour);
    for (int row = first; row < counts[LINKS]; row++) has_fdb |= !strcmp(((Link *)rows[LINKS])[row].kind, "bridge");
    if (has_fdb) dump(fd, RTM_GETNEIGH, &fdb, sizeof fdb, 0, read_fdb);
    dump(fd, RTM_GETRULE, &rule, sizeof rule, 0, read_rule);
    close(fd);
}

static void snapshot(void) {
    int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    DIR *names = opendir(NAMES);
    if (!names) DIE(NAMES);
    read_namespace();
    for (struct dirent *entry; (entry = readdir(names));) {
        if (entry->d_name[0] == '.') continue;
        int fd = openat(dirfd(names), entry->d_name, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || setns(fd, CLONE_NEWNET)) DIE(entry->d_name);
        close(fd);
        read_namespace();
    }
    if (setns(home, CLONE_NEWNET)) DIE("setns");
    closedir(names);
}

// ---- teardown --------------------------------------------------------------------------------------------

// The node's process first: it keeps the node's namespace, and its mounts, alive.
static void teardown(int pid) {
    if (kill(pid, SIGKILL)) DIE("kill");
    if (chdir(NAMES)) DIE(NAMES);
    DIR *names = opendir(".");
    for (struct dirent *entry; (entry = readdir(names));) {
        if (entry->d_name[0] == '.') continue;
        if (umount2(entry->d_name, MNT_DETACH) || unlink(entry->d_name)) DIE(entry->d_name);
    }
    closedir(names);
}

int main(int count, char **arguments) {
    const char *what = count > 1 ? arguments[1] : "";
    long long start = now();
    if (!strcmp(what, "build") && count == 8)
        build(arguments[2], arguments[3], arguments[4], atoi(arguments[5]), arguments[6], atoi(arguments[7]));
    else if (!strcmp(what, "snapshot") && count == 2)
        snapshot();
    else if (!strcmp(what, "teardown") && count == 3)
        teardown(atoi(arguments[2]));
    else
        return fputs("usage: see the first lines of floor.c\n", stderr), 2;
    printf("%lld", now() - start);
    for (int table = 0; table < TABLES && !strcmp(what, "snapshot"); table++) printf(" %d", counts[table]);
    printf("\n");
    return 0;
}
