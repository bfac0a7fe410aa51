"""A walk as it is told: as text, as boxes, without what is only repeated, whatever stands in it."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.interactiveshell import InteractiveShell

from labhelpers.errors import BadInput
from labhelpers.linux.headers import Header, decode
from labhelpers.topology import Snapshot
from labhelpers.trace.hop import Hop, Walk, Why
from labhelpers.views import Topology, side_by_side, table_of, walk_text
from labhelpers.views.register import register
from labhelpers.views.walk_html import COLOURS, INK, MARKED, walk_html
from labhelpers.views.walk_layers import layers
from labhelpers.views.walk_story import story
from labhelpers.views.walk_text import WIDEST
from tests.samples.snapshots import two_nodes
from tests.samples.walks import dead, echo, ethernet, fragmented, hop, ip, looping, through_vxlan, udp, walk_of

NAMES = st.text(min_size=1, max_size=40)
HEADERS = st.lists(
    st.sampled_from(
        [
            ethernet(),
            ip(),
            ip(ttl=3),
            udp(),
            echo(),
            Header("VXLAN", {"vni": 7}),
            Header("WireGuard", {"message": "data", "receiver": 815, "counter": 4711}),
            Header("ARP", {"operation": "request", "target": "10.0.1.1"}),
            Header("802.1Q", {"vlan": 5, "type": 0x0800}),
            Header("new protocol", {}),
        ]
    ),
    max_size=8,
).map(tuple)
HOPS = st.builds(
    Hop, NAMES, NAMES, st.sampled_from(["in", "out", "other host"]), st.sampled_from(["request", "reply", "SYN"]),
    st.sampled_from(["sent", "cable", "routed"]), st.lists(NAMES, max_size=3).map(tuple), HEADERS,
    st.integers(0, 70000), st.sampled_from(["", "1 of 2", "2 of 2"]), st.integers(0, 2**62), st.booleans(),
    st.booleans(),
)  # fmt: skip
REASONS = st.none() | st.builds(Why, NAMES, NAMES, NAMES, st.lists(NAMES, max_size=3).map(tuple), NAMES)
WALKS = st.builds(
    lambda hops, why, lost: replace(walk_of(*hops, why=why, lost=lost), source="a", target="b"),
    st.lists(HOPS, max_size=12), REASONS, st.integers(0, 3),
)  # fmt: skip


def test_a_walk_through_a_tunnel() -> None:
    assert walk_text(through_vxlan()).splitlines() == [
        "ICMP echo of 56 bytes from pod-a to pod-c: answered by 10.0.2.10",
        "",
        "request",
        "   1  pod-a/eth0         out  sent",
        "      98 bytes: Ethernet 0a:58:0a:00:01:0a → 02:00:00:00:00:01 | IPv4 10.0.1.10 → 10.0.2.10 TTL 64",
        "                | ICMP echo request",
        "   2  node-1/veth-pod-a  in   cable",
        "   3  node-1/cni0        in   bridge",
        "   4  node-1/flannel.1   out  routed        source MAC now node-1/flannel.1; TTL 64 → 63",
        "   5  node-1/eth0        out  encapsulated  in VXLAN vni 1, UDP port 8472, 192.168.1.10 → 192.168.1.11",
        "      148 bytes: Ethernet 0a:58:c0:a8:01:0a → 0a:58:c0:a8:01:0b",
        "                 | IPv4 192.168.1.10 → 192.168.1.11 TTL 64 | UDP port 8472 | VXLAN vni 1",
        "        inside: Ethernet 02:00:00:00:01:01 → 02:00:00:00:01:02 | IPv4 10.0.1.10 → 10.0.2.10 TTL 63",
        "                | ICMP echo request",
        "   6  underlay/node-1    in   cable",
        "   7  node-2/eth0        in   cable",
        "   8  node-2/flannel.1   in   decapsulated  taken out of VXLAN vni 1",
        "      98 bytes: Ethernet 02:00:00:00:01:01 → 02:00:00:00:01:02 | IPv4 10.0.1.10 → 10.0.2.10 TTL 63",
        "                | ICMP echo request",
        "   9  node-2/veth-pod-c  out  routed        TTL 63 → 62",
        "  10  pod-c/eth0         in   cable",
        "",
        "reply",
        "   1  pod-c/eth0         out  sent",
        "      98 bytes: Ethernet 0a:58:0a:00:01:0a → 02:00:00:00:00:01 | IPv4 10.0.2.10 → 10.0.1.10 TTL 64",
        "                | ICMP echo reply",
    ]


def test_a_walk_that_died_says_where_why_and_what_to_do() -> None:
    text = walk_text(dead())
    assert text.splitlines()[0] == "ICMP echo of 56 bytes from pod-a to pod-c: failed: network is unreachable"
    assert text.splitlines()[-6:] == [
        "  copies that a switch sent and nobody took: at pod-b/eth0",
        "",
        "last seen at: node-1/cni0",
        "why: node-1 has no route to 10.0.2.10.",
        "evidence: node-1: IpExt.InNoRoutes +1",
        "what to do: `ip -n node-1 route` shows those it has.",
    ]
    assert "veth-pod-b" not in text, "copies are told in one line"


def test_what_differs_from_run_to_run_is_not_told() -> None:
    """The outer source port, identifiers, the time."""
    one, other = through_vxlan(), through_vxlan()
    hops = [
        replace(hop, stamp=hop.stamp * 2, headers=tuple(map(_with_other_numbers, hop.headers))) for hop in other.hops
    ]
    assert walk_text(replace(other, hops=type(other.hops)(hops))) == walk_text(one)
    assert walk_html(replace(other, hops=type(other.hops)(hops))) == walk_html(one)


def _with_other_numbers(header: Header) -> Header:
    chance = {"source_port": 60000} if header.get("destination_port") == 8472 else {}
    if header.protocol in ("IPv4", "ICMP"):
        chance = {"id": 815}
    return Header(header.protocol, {**header.fields, **chance}, header.quoted)


def test_in_a_notebook_a_walk_is_shown_in_both_forms_and_printed_as_text() -> None:
    shell = InteractiveShell.instance()
    register()
    assert str(dead()) == walk_text(dead())
    data, _ = shell.display_formatter.format(dead())
    assert data == {"text/plain": walk_text(dead()), "text/html": walk_html(dead())}


def test_the_hops_are_a_table_without_bytes_and_times() -> None:
    lines = str(table_of(dead().hops)).splitlines()
    assert lines[1].split() == ["place", "direction", "packet", "by", "headers", "note"]
    assert lines[5].split() == [
        "pod-b/eth0",
        "other",
        "host",
        "request",
        "cable",
        *["Ethernet", "|", "IPv4", "|", "ICMP"],
        "astray",
    ]


def test_times_are_told_when_asked_for() -> None:
    lines = walk_text(through_vxlan(), times=True).splitlines()
    assert "   1   +0 µs  pod-a/eth0         out  sent" in lines
    assert "   1  +10 µs  pod-c/eth0         out  sent" in lines
    assert " µs" not in walk_text(through_vxlan())


def test_fragments_are_one_step_and_their_number_is_told_when_it_changes() -> None:
    lines = walk_text(fragmented()).splitlines()
    assert lines[3] == "  1  pod-a/eth0         out  sent    3 fragments"
    assert lines[4].startswith("      3 fragments, 3110 bytes: Ethernet")
    assert lines[6] == "  2  node-1/veth-pod-a  out  cable"
    assert lines[7] == "  3  node-1/eth0        out  routed  TTL 64 → 63; now 5 fragments"
    assert len(lines) == 8


def test_each_fragment_is_told_when_asked_for() -> None:
    text = walk_text(fragmented(), fragments=True)
    assert text.count("node-1/eth0") == 5
    assert "cut into fragments: this is 4 of 5" in text
    assert "IPv4 10.0.1.10 → 10.0.2.10 TTL 64 fragment from byte 2960" in text


def test_a_loop_is_told_as_one_round() -> None:
    walk = looping(64)
    assert len(walk.hops) == 385
    lines = walk_text(walk).splitlines()
    assert len(lines) < 25
    assert "      … the same 6 hops 63 times more, up to hop 385, TTL 63 → 1" in lines
    assert walk_html(walk).count("<tr>") < 12


def test_a_long_way_that_is_no_loop_is_cut_in_the_middle_and_says_so() -> None:
    walk = walk_of(*(hop(f"node-{number}/eth0", ethernet(), ip(), echo()) for number in range(700)))
    text = walk_text(walk)
    assert "640 hops are left out here: see walk.hops" in text
    assert "node-0/eth0" in text
    assert "node-699/eth0" in text
    assert len(text.splitlines()) < 100


def test_many_packets_are_told_in_short() -> None:
    walk = walk_of(*(hop("pod-a/eth0", ethernet(), ip(), packet=f"data {number}") for number in range(1, 41)))
    text = walk_text(walk)
    assert "29 more packets, from data 11 to data 39: see walk.hops" in text
    assert text.count("pod-a/eth0") == 11


def test_a_walk_without_a_hop() -> None:
    walk = walk_of(why=Why("Nothing left pod-a.", place="pod-a"))
    assert walk_text(walk).splitlines() == [
        "ICMP echo of 56 bytes from pod-a to pod-c: no answer",
        "no hop was seen",
        "",
        "last seen at: pod-a",
        "why: Nothing left pod-a.",
    ]
    assert "no hop was seen" in walk_html(walk)


def test_lost_frames_are_said() -> None:
    walk = walk_of(hop("pod-a/eth0", ethernet()), lost=7)
    for told in (walk_text(walk), walk_html(walk)):
        assert "7 frames came faster than they could be read: hops may be missing." in told


def test_what_is_inferred_says_so() -> None:
    outer = (
        ethernet(),
        ip("192.168.1.10", "192.168.1.11"),
        udp(51820, 51820),
        Header("WireGuard", {"message": "data"}),
    )
    leg = hop("node-1/eth0", *outer, by="encrypted", inferred=True, changed=("encrypted, 192.168.1.10 → 192.168.1.11",))
    lines = walk_text(walk_of(hop("pod-a/eth0", ethernet(), ip(), echo(), by="sent"), leg)).splitlines()
    assert lines[6] == (
        "  2  node-1/eth0  out  encrypted  192.168.1.10 → 192.168.1.11; inferred from its size and time"
    )
    assert lines[-1] == "        inside: encrypted"


def test_an_error_shows_which_packet_it_quotes() -> None:
    quoted = tuple(replace(header, quoted=True) for header in (ip(ttl=1), udp(20001, 9)))
    error = hop("pod-c/eth0", ethernet(), ip("10.0.2.10", "10.0.1.10"), echo("port unreachable"), *quoted, by="sent")
    assert (
        walk_text(walk_of(error)).splitlines()[-1] == "        quotes: IPv4 10.0.1.10 → 10.0.2.10 TTL 1 | UDP 20001 → 9"
    )


@given(WALKS)
def test_no_line_is_too_long_and_no_step_is_lost(walk: Walk) -> None:
    lines = walk_text(walk).splitlines()
    assert all(len(line) <= WIDEST for line in lines)
    assert all(line.isprintable() for line in lines)
    for chapter in story(walk, fragments=True):
        expected = [hop for hop in walk.hops if hop.packet == chapter.packet and not hop.astray]
        if not any(step.left_out for step in chapter.steps):
            assert [step.hop for step in chapter.steps] == expected


def changed(before: tuple[Header, ...], now: tuple[Header, ...]) -> list[str]:
    return [field.words for layer in layers(now, before) for field in layer.fields if field.changed]


def test_only_what_changed_is_marked() -> None:
    before = (ethernet(), ip(), echo())
    assert changed(before, before) == []
    assert changed(before, (ethernet("02:00:00:00:00:09"), ip(ttl=63), echo())) == ["02:00:00:00:00:09", "TTL 63"]
    assert changed(before, (ethernet(), ip("192.168.1.10"), echo())) == ["192.168.1.10"]


def test_what_a_tunnel_puts_around_is_new_and_what_is_inside_is_compared() -> None:
    before = (ethernet(), ip(), echo())
    inner = (ethernet(), ip(ttl=63), echo())
    found = layers((ethernet(), ip("192.168.1.10"), udp(), Header("VXLAN", {"vni": 1}), *inner), before)
    assert [layer.is_new for layer in found] == [True] * 4 + [False] * 3
    assert [layer.depth for layer in found] == [0] * 4 + [1] * 3
    assert [field.words for layer in found for field in layer.fields if field.changed] == ["TTL 63"]


def test_ip_in_ip_is_a_packet_inside_a_packet() -> None:
    assert [layer.depth for layer in layers((ethernet(), ip(), ip(), echo()))] == [0, 0, 1, 1]


@given(st.binary(max_size=200), st.booleans())
def test_whatever_was_captured_can_be_shown(data: bytes, is_ethernet: bool) -> None:
    seen = hop("pod-a/eth0", *decode(data, ethernet=is_ethernet).headers)
    walk = walk_of(seen, seen)
    assert "pod-a/eth0" in walk_text(walk)
    assert "pod-a/eth0" in walk_html(walk)


class _Html(HTMLParser):
    """Notes tags, attributes and words, and that every tag is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: dict[str, set[str]] = {}
        self.words: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attributes:
            self.attributes.setdefault(name, set()).add(value or "")
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@given(WALKS)
def test_html_is_closed_and_refers_to_nothing(walk: Walk) -> None:
    for html in (walk_html(walk), side_by_side(walk, walk)._repr_html_()):
        parsed = _Html(html)
        assert parsed.open == []
        known = {"div", "p", "b", "i", "br", "span", "table", "caption", "thead", "tbody", "tr", "th", "td"}
        assert parsed.tags <= known
        assert parsed.attributes.keys() <= {"style", "scope", "colspan"}
        assert not any("url(" in style or "var(" in style for style in parsed.attributes["style"])


def test_names_cannot_break_out_of_the_page() -> None:
    evil = '"><script>alert(1)</script>'
    why = Why(evil, evil, evil, (evil,), evil)
    walk = walk_of(hop(f"{evil}/eth0", ethernet(), packet=evil, by=evil, changed=(evil,)), why=why)
    walk = replace(walk, source=evil, target=evil, probe=evil)
    for html in (walk_html(walk), side_by_side(walk)._repr_html_()):
        assert "<script" not in html
        assert "&lt;script&gt;" in html


def test_boxes_are_open_where_something_is_new_and_closed_elsewhere() -> None:
    rows = walk_html(through_vxlan()).split("<tr>")
    cable, routed, encapsulated = (
        next(row for row in rows if place in row) for place in ("veth-pod-a", "flannel.1", "node-1/eth0")
    )
    assert "10.0.2.10" not in cable
    assert re.findall(r"underline\">([^<]+)<", routed) == ["02:00:00:00:01:01", "→ 02:00:00:00:01:02", "TTL 63"]
    assert "→ 192.168.1.11" in encapsulated
    assert encapsulated.count("2px solid") == 4, "what the tunnel puts around is outlined"
    assert encapsulated.count(f"3px solid {COLOURS['VXLAN']}") == 1, "what is inside has a frame"


def test_side_by_side_has_both_in_their_order() -> None:
    both = side_by_side(dead(), through_vxlan())
    assert repr(both) == f"{walk_text(dead())}\n\n\n{walk_text(through_vxlan())}"
    html = both._repr_html_()
    assert html.index("failed: network is unreachable") < html.index("answered by 10.0.2.10")
    assert both._repr_mimebundle_() == {"text/html": html, "text/plain": repr(both)}


def test_side_by_side_says_which_is_which() -> None:
    named: dict[str, Walk | Topology] = {"a <first>": dead(), "second": Topology(two_nodes())}
    both = side_by_side(**named)
    assert repr(both) == f"a <first>\n\n{walk_text(dead())}\n\n\nsecond\n\n{Topology(two_nodes())!r}"
    html = both._repr_html_()
    assert html.index("a &lt;first&gt;") < html.index("failed: ") < html.index("second") < html.index('<img alt="')


def test_side_by_side_has_pictures_too() -> None:
    both = side_by_side(Topology(Snapshot()), Topology(two_nodes()))
    assert repr(both).endswith(f"\n\n\n{Topology(two_nodes())!r}")
    assert both._repr_html_().count('<img alt="') == 2


@pytest.mark.parametrize("things", [(), (42,), (dead(), "pod-a")], ids=["nothing", "a number", "a name"])
def test_what_is_neither_walk_nor_picture_is_refused(things: tuple[object, ...]) -> None:
    with pytest.raises(BadInput, match="side_by_side"):
        side_by_side(*things)  # type: ignore[arg-type]


def _luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("ground", sorted({*COLOURS.values(), MARKED}))
def test_words_have_contrast_on_every_ground(ground: str) -> None:
    assert (_luminance(ground) + 0.05) / (_luminance(INK) + 0.05) >= 7


def test_neighbouring_protocols_have_different_colours() -> None:
    stacks = [("Ethernet", "IPv4", "UDP", "VXLAN", "Ethernet"), ("IPv4", "TCP"), ("IPv4", "ICMP"), ("UDP", "WireGuard")]
    for stack in stacks:
        assert all(COLOURS[one] != COLOURS[other] for one, other in pairwise(stack))
