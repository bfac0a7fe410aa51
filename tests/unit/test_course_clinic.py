"""The cases of the clinic, as a list."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from labhelpers.course import chapter11, clinic
from labhelpers.course.clinic import admission
from labhelpers.course.clinic.admission import FAULTS, NUMBERED, _drawn, _faults, _level
from labhelpers.course.clinic.chart import Entry, earlier, note
from labhelpers.course.clinic.debrief import Debrief
from labhelpers.course.clinic.evidence import is_several, is_symptom
from labhelpers.course.clinic.fault import LAYERS, WORDS, layer
from labhelpers.course.clinic.in_disguise import HERRINGS, PAIRS
from labhelpers.course.clinic.ward import NEEDS, WARDS
from labhelpers.errors import BadInput, NeedsPrivilege, NotFound

_ALL = {**FAULTS, **{fault.id: fault for fault, _ in HERRINGS.values()}}


@pytest.fixture(autouse=True)
def chart_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("POD_NETWORKING_PROGRESS", str(tmp_path / "progress.json"))
    return tmp_path / "clinic.json"


def test_every_case_has_one_number() -> None:
    assert sorted(NUMBERED) == sorted([*FAULTS, *PAIRS, *HERRINGS])
    assert len(set(NUMBERED)) == len(NUMBERED) == len(clinic.cases())
    assert len(_ALL) == len(FAULTS) + len(HERRINGS)


def test_every_layer_has_a_fault_and_there_are_cases_of_every_level() -> None:
    assert {fault.layer for fault in FAULTS.values()} == set(LAYERS)
    assert len(FAULTS) >= 24
    assert all(len(clinic.cases(level)) >= 5 for level in (1, 2, 3, 4))
    assert sum(len(clinic.cases(level)) for level in (1, 2, 3, 4)) == len(clinic.cases())


def test_no_two_cases_are_told_with_the_same_words() -> None:
    said = [PAIRS[id][1] if id in PAIRS else _faults(id)[0].complaint for id in NUMBERED]
    assert len(set(said)) == len(said)


@pytest.mark.parametrize("id", _ALL)
def test_a_complaint_does_not_give_the_answer_away(id: str) -> None:
    fault = _ALL[id]
    said = fault.complaint.lower()
    assert fault.layer not in said.split() or fault.layer == "address"
    assert set(fault.layers) <= set(LAYERS)
    assert fault.ward in WARDS
    assert not is_symptom(fault.evidence)


@pytest.mark.parametrize("id", _ALL)
def test_hints_go_from_a_question_to_a_command(id: str) -> None:
    first, *more = _ALL[id].hints
    assert more
    assert first.endswith((".", "?"))
    assert re.search("`.+`", more[-1])


def test_pairs_and_herrings_are_about_faults_of_one_ward() -> None:
    for pair, _ in PAIRS.values():
        assert len({FAULTS[id].ward for id in pair}) == 1
    for fault, disguise in HERRINGS.values():
        assert not set(disguise.steps) & set(fault.steps)


def test_what_is_no_case_is_refused() -> None:
    with pytest.raises(NotFound, match="from 1 to"):
        clinic.admit("4711")
    with pytest.raises(NotFound, match="no case 0"):
        clinic.admit(0)
    with pytest.raises(BadInput, match="Choose 1, 2, 3 or 4"):
        clinic.admit(level=9)


@pytest.mark.parametrize("command", ["ping -c 1 10.0.1.10", "timeout 2 curl http://x", "/usr/bin/nc -z a 1"])
def test_a_probe_is_a_symptom(command: str) -> None:
    assert is_symptom(command)


@pytest.mark.parametrize("command", ["ip route", "cat /etc/hosts", "echo 'unfinished"])
def test_other_commands_are_not(command: str) -> None:
    assert not is_symptom(command)


@pytest.mark.parametrize(
    "commands",
    ["ip -d link; ip addr; nft list ruleset", "ip link && ip route", "false || ip route", "ip link & ip route",
     "ip link\nip route", "ip link &", "echo 'a;b'; ip route", 'echo "\\""; ip route', "ip link 2>&1; ip route",
     "sh -c 'ip link; ip route'", "kubectl exec -n shop web -- /bin/sh -ec 'mount && env'",
     "echo $(ip link; ip route)"],
)  # fmt: skip
def test_several_commands_are_no_evidence(commands: str) -> None:
    assert is_several(commands)


@pytest.mark.parametrize(
    "command",
    ["ip route | grep 10.0.2.0", "ip -d link 2>&1", "grep 'a;b' /etc/hosts", 'grep -E "a||b" /etc/hosts',
     "ip \\\n route", "find /etc -name hosts -exec cat {} \\;", "sh -c 'ip route | grep default'",
     "awk '{ print $1; print $2 }' /etc/hosts",
     "ip route > /tmp/x", "echo 'unfinished", "curl 'http://x/?a=1&b=2'", "grep -c 'a;b' /etc/hosts"],
)  # fmt: skip
def test_one_command_is_one_also_with_pipes_and_quotation_marks(command: str) -> None:
    assert not is_several(command)


def test_what_the_clinic_itself_takes_for_evidence_is_one_command() -> None:
    told = [re.findall("`(.+?)`", hint) for fault in _ALL.values() for hint in fault.hints]
    answers = re.findall(r"""case\.answer\(.*, ["'](.+)["']\)""", Path(chapter11.__file__).read_text())
    assert len(answers) >= 5
    for command in [*(fault.evidence for fault in _ALL.values()), *(one for some in told for one in some), *answers]:
        assert not is_several(command), command


@pytest.mark.parametrize(
    ("word", "means"),
    [("Route", "route"), ("routes", "route"), ("ARP", "neighbour"), ("rp-filter", "rp_filter"),
     ("nft rule", "firewall"), ("NetworkPolicy", "policy"), ("policies", "policy"), ("CNI config", "cni"),
     ("process not listening", "process"),
     ("addresses", "address"), ("bgp  session", "bgp"), ("DNS", "dns"), ("ip_forward", "forwarding")],
)  # fmt: skip
def test_a_layer_has_other_words(word: str, means: str) -> None:
    assert layer(word) == means


def test_no_word_means_two_layers_and_each_means_itself() -> None:
    words = [word for words in WORDS.values() for word in words]
    assert len(words) == len({*words, *LAYERS}) - len(LAYERS)
    assert [layer(one) for one in LAYERS] == list(LAYERS)
    with pytest.raises(BadInput, match="no layer 'magic'"):
        layer("magic")


def test_what_is_drawn_is_not_found_yet_and_levels_come_one_after_another() -> None:
    assert {_drawn(None, None) for _ in range(200)} <= set(clinic.cases(1))
    *first, last = clinic.cases(1)
    for case in first:
        note(Entry(case, level=1, solved=True), Entry(case))
    assert _drawn(None, None) == last
    note(Entry(last, level=1, solved=True), Entry(last))
    assert _level(NUMBERED[int(_drawn(None, None)) - 1]) == 2
    assert _drawn(3, 7) == _drawn(3, 7) in clinic.cases(3)
    assert _drawn(1, None) in clinic.cases(1), "all are found, and one may have them again"


@pytest.fixture
def no_wireguard(monkeypatch: pytest.MonkeyPatch) -> str:
    """The number of the case that needs it, on a machine that has none."""

    def refuse() -> None:
        raise NeedsPrivilege("/dev/net/tun may not be opened here.", "Ask for it.")

    monkeypatch.setitem(NEEDS, "wireguard", refuse)
    monkeypatch.setattr(admission, "Case", None)  # nobody gets so far
    return str(NUMBERED.index("somebody-elses-key") + 1)


@pytest.mark.usefixtures("no_wireguard")
@pytest.mark.parametrize("case", ["somebody-elses-key", "29", 29])
def test_a_case_for_which_the_machine_lacks_something_says_what(case: str | int) -> None:
    with pytest.raises(NeedsPrivilege) as refused:
        clinic.admit(case)
    assert str(refused.value) == (
        "Case 29 cannot be built on this machine. /dev/net/tun may not be opened here. "
        "Ask for it. Or take another case: `case = clinic.admit()`."
    )


def test_a_case_for_which_the_machine_lacks_something_is_not_drawn(no_wireguard: str) -> None:
    for case in clinic.cases(4):
        if case != no_wireguard:
            note(Entry(case, level=4, solved=True), Entry(case))
    drawn = {_drawn(4, None) for _ in range(200)}
    assert drawn == set(clinic.cases(4)) - {no_wireguard}, "all others are found, and one may have them again"
    by_seed = {seed: _drawn(4, seed) for seed in range(200)}
    assert set(by_seed.values()) == drawn
    NEEDS["wireguard"] = lambda: None
    assert {_drawn(4, None) for _ in range(20)} == {no_wireguard}
    elsewhere = {seed: _drawn(4, seed) for seed in range(200)}
    assert {number for seed, number in elsewhere.items() if by_seed[seed] != number} == {no_wireguard}


def test_to_begin_again_makes_nothing_undone() -> None:
    assert list(clinic.chart()) == []
    note(Entry("12", level=2, seconds=40, hints=2, answers=1), earlier("12"))  # and the kernel was restarted
    note(Entry("12", level=2, seconds=10, answers=1), before := earlier("12"))
    note(Entry("12", level=2, seconds=30, answers=2, solved=True, layer="bridge"), before)
    note(Entry("3", level=1), earlier("3"))
    found = Entry("12", level=2, seconds=70, hints=2, answers=3, solved=True, layer="bridge")
    assert list(clinic.chart()) == [Entry("3", level=1), found]

    note(Entry("12", level=2, seconds=5, told=True, repaired=True), earlier("12"))  # once more, and it is told
    assert list(clinic.chart())[1] == Entry(
        "12", level=2, seconds=70, hints=2, answers=3, solved=True, told=True, repaired=True, layer="bridge"
    )


def test_the_overview_counts_what_is_found_in_each_level_and_layer() -> None:
    pair = str(NUMBERED.index("two-silences") + 1)
    note(Entry("12", level=2, solved=True), Entry("12"))
    note(Entry(pair, level=4, solved=True, repaired=True), Entry(pair))
    note(Entry("1", level=1, told=True, repaired=True), Entry("1"))
    rows = {row.what: row for row in clinic.overview()}
    assert set(rows) == {"level 1", "level 2", "level 3", "level 4", *LAYERS}
    assert sum(rows[f"level {level}"].cases for level in (1, 2, 3, 4)) == len(clinic.cases())
    counted = {what: (row.found, row.mended) for what, row in rows.items() if row.found}
    assert counted == {"level 2": (1, 0), "level 4": (1, 1), "bridge": (1, 0), "route": (1, 1), "firewall": (1, 1)}


def test_a_chart_of_an_earlier_version_is_read_and_nonsense_is_put_aside(
    chart_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chart_file.write_text('{"cases": {"12": {"solved": true, "level": 2, "seconds": 40, "hints": 0, "answers": 1}}}')
    assert list(clinic.chart()) == [Entry("12", level=2, solved=True, seconds=40, answers=1)]
    chart_file.write_text('{"cases": {"1": {"unheard": 1}}}')
    assert list(clinic.chart()) == []
    assert "is kept as" in capsys.readouterr().err
    assert chart_file.with_name("clinic.json.unreadable").exists()


def test_a_debrief_tells_what_only_looked_wrong_and_escapes_what_it_shows() -> None:
    fault, disguise = HERRINGS["old-wires"]
    debrief = Debrief((fault,), {fault.id: "nobody <there>"}, "found by you", disguise)
    assert "How a packet fared, pod-a to pod-c: nobody <there>" in repr(debrief)
    assert "node-1$ ip link add br-old" in repr(debrief)
    page = debrief._repr_html_()
    assert "nobody &lt;there&gt;" in page
    assert "<pre" in page
    assert "found by you" in page
