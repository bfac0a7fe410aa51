"""What a reader gets to see: sentences first, then a table whose words say everything."""

from __future__ import annotations

import errno
import re
from html.parser import HTMLParser

import pytest

from labhelpers.course.catalogue import CHAPTERS
from labhelpers.doctor.machine import Machine
from labhelpers.doctor.probe import Outcome
from labhelpers.doctor.report import Report
from labhelpers.doctor.sentences import spans
from labhelpers.doctor.verdict import PROBES, rows
from labhelpers.errors import NotFound

DEBIAN = Machine("6.1.0-13-amd64", "x86_64", "Debian GNU/Linux 12 (bookworm)", ("debian",))
ALL = f"Chapters {spans([chapter.number for chapter in CHAPTERS])}"


def report(chapter: str = "", /, **failed: Outcome) -> Report:
    """A machine on which everything works but what ``failed``."""
    outcomes = {probe.id: Outcome(True) for probe in PROBES}
    outcomes.update({name.replace("_", "-"): outcome for name, outcome in failed.items()})
    found = rows(outcomes, DEBIAN)
    return Report(tuple(one for one in found if not chapter or chapter in one.chapters), DEBIAN, chapter)


ABSENT = Outcome(False, "not in /usr/bin")
NOT_BUILT = Outcome(False, "Unknown device type", errno.EOPNOTSUPP)


def test_where_all_works_a_sentence_says_so() -> None:
    healthy = report()
    assert healthy.sentences == (f"{ALL} run here.",)
    assert healthy.ok
    assert healthy.missing == ()
    assert "What is not as it could be" not in repr(healthy)


def test_chapters_with_the_same_answer_share_a_sentence() -> None:
    sick = report(nft=ABSENT, ping_program=ABSENT, nft_nat=NOT_BUILT)
    assert sick.sentences[0].startswith("Chapter")
    assert sick.sentences[0].endswith(" run here.")
    assert sick.sentences[1:4] == (
        "Chapters 01, 06 do not run here. They lack the program nft.",
        "Chapter 02 does not run here. It lacks the program ping.",
        "Chapters 03, 07–08 do not run here. They lack nf_tables with NAT and the program nft.",
    )
    assert not sick.ok
    runs, does_not, *_ = report(packet_sockets=ABSENT).sentences
    assert runs.startswith("Chapters 00–01")
    assert does_not == "Chapters 02–03, 06–09, 11 do not run here. They lack packet sockets."


@pytest.mark.parametrize(
    ("chapter", "failed", "sentence"),
    [
        ("02", {}, "Chapter 02, veth and bridge, runs here."),
        ("02", {"nft": ABSENT}, "Chapter 02, veth and bridge, runs here."),
        ("01", {"nft": ABSENT}, "Chapter 01, Network namespaces, does not run here. It lacks the program nft."),
        ("07", {"gre": NOT_BUILT}, "Chapter 07, CNI plugins compared, runs here."),
        (
            "07",
            {"bird": ABSENT, "nft_trace": NOT_BUILT},
            "Chapter 07, CNI plugins compared, does not run here. It lacks nftrace and the program BIRD.",
        ),
    ],
)
def test_one_chapter_is_one_sentence(chapter: str, failed: dict[str, Outcome], sentence: str) -> None:
    one = report(chapter, **failed)
    assert one.sentences == (sentence,)
    assert one.ok == ("lack" not in sentence)


def test_a_chapter_of_which_only_a_part_lacks_something_runs() -> None:
    here: dict[str, Outcome] = {"wireguard": NOT_BUILT, "tun": Outcome(False, "Permission denied", errno.EACCES)}
    for sick in (here, {"wireguard": NOT_BUILT, "wireguard_go": ABSENT}):
        one = report("11", **sick)
        assert one.sentences == (
            "Chapter 11, The clinic: broken networks, runs here, but not case 29, which lacks WireGuard.",
        )
        assert one.ok
        runs, does_not, in_part = report(**sick).sentences
        assert runs == "Chapters 00–05, 08–10 run here."
        assert does_not.startswith("Chapters 06–07 do not run here. They lack WireGuard")
        assert in_part == "Chapter 11 runs here, but not case 29, which lacks WireGuard."
    assert "sudo chmod 666 /dev/net/tun" in repr(report("11", **here))
    assert report("11", bird=ABSENT, **here).sentences[0].endswith("It lacks the program BIRD.")


@pytest.mark.parametrize(
    "failed",
    [
        {"wireguard": NOT_BUILT},
        {"tun": ABSENT},
        {"tun": ABSENT, "ipip": NOT_BUILT, "wireguard_go": ABSENT},
        {"wireguard_go": ABSENT},
    ],
)
def test_with_one_of_the_two_wireguards_every_case_of_the_clinic_runs(failed: dict[str, Outcome]) -> None:
    assert report("11", **failed).sentences == ("Chapter 11, The clinic: broken networks, runs here.",)


def test_a_machine_without_a_sandbox_gets_the_explanation_and_the_programs() -> None:
    none = Report(rows({"ip": Outcome(True), "bird": ABSENT}, DEBIAN), DEBIAN, refusal="It is forbidden.\nDo <this>.")
    assert none.sentences == (
        "No chapter runs here, because this machine does not allow a sandbox. The recorded outputs can be read.",
    )
    assert not none.ok
    text = repr(none)
    assert "It is forbidden.\nDo <this>." in text
    assert "sudo apt-get install bird2" in text
    assert "VXLAN" not in text
    assert re.search(r"^Not tried: \d\d features of the kernel\.$", text, re.MULTILINE)
    assert "Do &lt;this&gt;." in none._repr_html_()
    assert none["vxlan"].status == "not tried"
    about = Report(none.rows, DEBIAN, chapter="01", refusal="no").sentences
    assert about == (
        "Chapter 01, Network namespaces, does not run here, because this machine does not allow a sandbox.",
    )


def test_a_row_is_found_by_its_id_and_a_wrong_id_is_told_the_right_ones() -> None:
    assert report()["vxlan"].what.startswith("VXLAN")
    with pytest.raises(NotFound, match=r"no 'vxlna' in this report. It has: .*vxlan"):
        report()["vxlna"]


def test_the_text_is_tables_with_straight_columns_the_worst_first() -> None:
    sick = report(bird=ABSENT, gre=NOT_BUILT, veth=NOT_BUILT)
    _, now, other, works = repr(sick).split("\n\n")
    for table, statuses in ((now, ["missing", "missing"]), (other, ["another way"])):
        lines = table.splitlines()[1:]
        assert [re.split(r"  +", line)[0] for line in lines] == ["status", *statuses]
        for column in ("of", "what", "chapters", "what to do"):
            start = lines[0].index(column)
            assert all(line[start - 1] == " " and line[start] != " " for line in lines)
    assert works.startswith(f"What works: {len(PROBES) - 3}\n")
    assert all(line.startswith("works ") for line in works.splitlines()[2:])


def test_what_goes_another_way_is_folded_away() -> None:
    fine = report(overlay=NOT_BUILT)
    assert "What is not as it could be" not in repr(fine)
    assert "\nWhat goes another way: 1\n" in repr(fine)
    assert "<details><summary>What goes another way: 1</summary><table>" in fine._repr_html_()


def test_all_missing_programs_are_installed_with_one_command() -> None:
    assert repr(report(bird=ABSENT, wg=ABSENT, ip=ABSENT)).endswith(
        "sudo apt-get install iproute2 bird2 wireguard-tools"
    )
    assert "All missing programs" not in repr(report(bird=ABSENT))


def test_what_the_sandbox_could_not_do_is_noted() -> None:
    noted = Report(report().rows, DEBIAN, notes=("/opt is not writable: Permission denied",))
    assert repr(noted).endswith("Note: /opt is not writable: Permission denied.")
    assert "Note: /opt is not writable" in noted._repr_html_()


class _Page(HTMLParser):
    """The words of a page, and what could set a colour."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.styles: list[str] = []
        self.tags: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.styles += [value or "" for name, value in attributes if name in ("style", "class", "bgcolor", "color")]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_the_page_says_all_in_words_and_leaves_colours_to_the_theme() -> None:
    sick = report(bird=ABSENT, gre=NOT_BUILT)
    page = _Page(sick._repr_html_())
    for one in sick.rows:
        assert one.what in page.words
        assert one.status in page.words
    assert not any("color" in style or "background" in style for style in page.styles)
    assert page.tags.count("caption") == page.tags.count("table") == 3
    assert "details" in page.tags


def test_what_a_kernel_says_cannot_become_part_of_the_page() -> None:
    page = report(veth=Outcome(False, "<script>alert(1)</script>", errno.E2BIG))._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_no_version_of_a_program_is_shown() -> None:
    text = repr(report()).replace(str(DEBIAN), "")
    assert not re.search(r"\d+\.\d+", text)


@pytest.mark.parametrize(
    ("numbers", "text"),
    [([], ""), (["02"], "02"), (["00", "01", "02"], "00–02"), (["01", "03", "04", "10"], "01, 03–04, 10")],
)
def test_numbers_are_shown_as_ranges(numbers: list[str], text: str) -> None:
    assert spans(numbers) == text
