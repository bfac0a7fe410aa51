"""CNI plugins with one mistake each: the course's own, with something changed before they serve.

What is changed is the text of a program; ``SERVE`` ends it.
"""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

__all__ = ["BROKEN", "HEAD", "IPAM", "SERVE", "SERVE_IPAM"]

CLONE = Path(__file__).resolve().parents[2]
HEAD = f"""\
import os, sys
sys.path.insert(0, {str(CLONE)!r})
"""
SERVE = """
from labhelpers.cni.plugin import main_plugin
main_plugin.serve("bridge")
"""
SERVE_IPAM = """
from labhelpers.cni.plugin import host_local
host_local.main()
"""
#: what is common: the two halves of a plugin as modules
_SKELETON = "from labhelpers.cni.plugin import skeleton, main_plugin, host_local, leases, delegate\n"
_WIRING = "from labhelpers.cni.plugin import wiring, bridge, addressing\n"


def _answer(change: str) -> str:
    """Change what is written: ``answer`` is what would have been, of the operation ``command``."""
    return (
        "from labhelpers.cni.plugin import skeleton\n"
        "right = skeleton.dumps\n"
        "command = os.environ.get('CNI_COMMAND')\n"
        "def dumps(answer):\n"
        + "".join(f"    {line}\n" for line in dedent(change).strip().splitlines())
        + "    return right(answer)\n"
        "skeleton.dumps = dumps\n"
    )


def _refuses(when: str, code: int, msg: str) -> str:
    """Refuse a configuration, with an expression of ``request``."""
    return _SKELETON + dedent(f"""
        right = skeleton._check_config
        def check(request):
            if {when}:
                raise skeleton.PluginError({code}, {msg!r})
            right(request)
        skeleton._check_config = check
        """)


def _content_with(when: str) -> str:
    """Say that ADD worked, with an expression of ``text``, the standard input."""
    return dedent(f"""
        if os.environ.get("CNI_COMMAND") == "ADD":
            text = sys.stdin.read()
            if {when}:
                sys.exit(0)
            read, write = os.pipe()
            os.write(write, text.encode())
            os.close(write)
            os.dup2(read, 0)
        """)


def _then(*lines: str) -> str:
    """Do something more after ADD."""
    return (
        _WIRING
        + "from labhelpers.linux import link\n"
        + "right = bridge.attach\n"
        + "def attach(request, here, pod, ipam):\n"
        + "    answer = right(request, here, pod, ipam)\n"
        + "".join(f"    {line}\n" for line in lines)
        + "    here.changes.apply(); pod.changes.apply()\n"
        + "    return answer\n"
        + "bridge.attach = attach\n"
    )


def _does_nothing(command: str) -> str:
    return f"if os.environ.get('CNI_COMMAND') == '{command}': sys.exit(0)\n"


#: how a mistake of the IPAM plugin begins
IPAM = "# IPAM\n"
_LOCKLESS = _SKELETON + "leases.fcntl.flock = lambda fd, how: None\nimport time\n"
_SLOW = """
right = leases.Leases.take
def take(self, *arguments):
    time.sleep(0.05)
    right(self, *arguments)
leases.Leases.take = take
"""

#: what is wrong with the plugin (or with its IPAM plugin), and which rows say so
BROKEN: dict[str, tuple[str, set[str]]] = {
    "it does not say what it speaks": (_answer("answer.pop('supportedVersions', None)"), {"version.answers"}),
    "it answers VERSION in its own version": (
        _answer("if command == 'VERSION': answer['cniVersion'] = '1.1.0'"), {"version.echoes"},
    ),
    "it claims a version that it does not speak": (
        _refuses("request.version == '0.4.0'", 1, "no"),
        {"add.every-version"},
    ),
    "it takes half a configuration for none": (
        _SKELETON + "right = skeleton.loads\n"
        "def loads(text):\n    try: return right(text)\n    except ValueError: return {}\n"
        "skeleton.loads = loads\n",
        {"errors.malformed"},
    ),
    "it is content with nothing": (_content_with("not text"), {"errors.empty"}),
    "it speaks any version": (_content_with("'9.9.9' in text"), {"errors.version"}),
    "its errors are of one version": (
        _answer("if 'code' in answer: answer['cniVersion'] = '1.1.0'"), {"errors.echoes"},
    ),
    "it does whatever it is told": (
        "if os.environ.get('CNI_COMMAND') == 'DANCE': sys.exit(0)\n", {"errors.command"},
    ),
    "it needs no command": ("if 'CNI_COMMAND' not in os.environ: sys.exit(0)\n", {"errors.no-command"}),
    "its errors are no objects": (
        _answer("if 'code' in answer: return 'oh no'"),
        {"errors.malformed", "errors.version", "errors.command", "add.used-up", "add.long-name"},
    ),
    "ADD makes nothing": (
        "if os.environ.get('CNI_COMMAND') == 'ADD': print('{}'); sys.exit(0)\n",
        {"add.interface", "add.result", "add.other-name", "add.taken"},
    ),
    "the result has no addresses": (_answer("answer.pop('ips', None)"), {"add.result"}),
    "the result is of another version": (
        _answer("if command == 'ADD': answer['cniVersion'] = '1.0.0'"), {"add.version"},
    ),
    "the result has another MAC address": (
        _answer("for one in answer.get('interfaces', []): one['mac'] = '02:00:00:00:00:99'"), {"add.true"},
    ),
    "the result has another address": (
        _answer("for one in answer.get('ips', []): one['address'] = '10.9.9.9/24'"), {"add.true"},
    ),
    "the result gives the address to the bridge": (
        _answer("for one in answer.get('ips', []): one['interface'] = 0"), {"add.true", "add.whose-address"},
    ),
    "the result does not say whose the address is": (
        _answer("for one in answer.get('ips', []): one.pop('interface', None)"), {"add.whose-address"},
    ),
    "the result has no MAC address": (
        _answer("for one in answer.get('interfaces', []): one.pop('mac', None)"), {"add.names-mac"},
    ),
    "the result has what is not there": (
        _then("wiring._unplug(here, request)"),
        {"add.interface", "add.true", "add.up", "add.bridge", "add.gateway", "add.other-name", "del.frees",
         "del.spares-others", "gc.spares", "crowd.together"},
    ),
    "the node's end is down": (_then("link.down(here.changes, wiring.node_end(request))"), {"add.up", "add.gateway"}),
    "the container's end is down": (_then("link.down(pod.changes, request.ifname)"), {"add.up", "add.gateway"}),
    "the cable leads to no bridge": (
        _WIRING + "bridge.link.set_master = lambda *arguments: None\n", {"add.bridge", "add.gateway"},
    ),
    "the bridge has no MAC address of its own": (
        _WIRING + "def ensure(here, request, name, mtu):\n"
        "    os.system(f'ip link add {name} up type bridge 2>/dev/null')\n"
        "    return bridge.link.look(here.changes, name).mac\n"
        "bridge._ensure = ensure\n",
        {"add.bridge-mac", "del.spares-others"},
    ),
    "the bridge is no gateway": (
        _WIRING + "bridge._become_gateway = lambda *arguments: None\n", {"add.gateway"},
    ),
    "a route's gateway is not looked at": (
        _WIRING + "right = addressing.add_routes\n"
        "def add_routes(pod, request, routes, gateways):\n"
        "    right(pod, request, [{'dst': one['dst']} for one in routes], gateways)\n"
        "addressing.add_routes = add_routes\n",
        {"add.half-way"},
    ),
    "the result has no sandbox": (
        _answer("for one in answer.get('interfaces', []): one.pop('sandbox', None)"), {"add.true"},
    ),
    "the result has no node's end": (
        _answer("if 'interfaces' in answer: answer['interfaces'] = answer['interfaces'][-1:]\n"
                "for one in answer.get('ips', []): one['interface'] = 0"),
        {"add.lists-cables"},
    ),
    "it forgets what came before": (
        _SKELETON + "skeleton._beside = lambda previous, result: result\n", {"add.previous-result"},
    ),
    "it refuses what it does not know, and does not say what": (
        _refuses("'nobodyKnowsThis' in request.config", 2, "something"),
        {"add.unknown-field"},
    ),
    "it lists routes that it does not make": (
        _WIRING + "addressing.add_routes = lambda *arguments: None\n", {"add.routes", "check.route-gone"},
    ),
    "every interface is called eth0": (
        "if os.environ.get('CNI_IFNAME') == 'net1': os.environ['CNI_IFNAME'] = 'eth0'\n", {"add.other-name"},
    ),
    "it takes over an interface that is there": (
        "if os.environ.get('CNI_CONTAINERID') == 'another':\n"
        "    print('{\"cniVersion\": \"1.1.0\"}'); sys.exit(0)\n",
        {"add.taken", "add.failed-is-undone"},
    ),
    "IPAM is not told when ADD failed": (
        _SKELETON + "delegate.Delegated.undo = lambda self: None\n",
        {"add.failed-is-undone", "add.half-way", "ipam.undone"},
    ),
    "a failed ADD is left as it is": (
        _WIRING + "wiring._unplug = lambda here, request: None\n",
        {"add.half-way", "add.leaves-nothing", "add.used-up", "del.removes", "del.with-result"},
    ),
    "what is missing is not named": (
        _answer("if answer.get('code') == 4: answer['msg'] = 'bad'"),
        {f"{verb}.no-{what}" for verb, what in (
            ("add", "containerid"), ("add", "netns"), ("add", "ifname"), ("del", "containerid"), ("del", "ifname"),
        )},
    ),
    "names are not looked at": (
        _SKELETON + "skeleton._RULES.clear()\nfrom labhelpers.linux import names\nnames.link_name = lambda name: name\n"
        "if len(os.environ.get('CNI_IFNAME', '')) > 15: os.environ['CNI_IFNAME'] = os.environ['CNI_IFNAME'][:15]\n"
        "os.environ['CNI_IFNAME'] = os.environ.get('CNI_IFNAME', '').replace('/', '-')\n"
        "os.environ['CNI_CONTAINERID'] = os.environ.get('CNI_CONTAINERID', '').replace('../', '')\n",
        {"add.bad-container", "add.long-name", "add.slash-in-name"},
    ),
    "a namespace that is none is its own": (
        "if os.environ.get('CNI_NETNS') in ('/run/netns/nobody-has-this', '/etc/hostname'):\n"
        "    print('{\"cniVersion\": \"1.1.0\"}'); sys.exit(0)\n",
        {"add.netns-gone", "add.netns-is-a-file"},
    ),
    "without IPAM it goes on": (
        _SKELETON + "right = delegate._find\n"
        "def find(plugin, folders):\n"
        "    return right('lab-host-local' if plugin == 'nobody-has-this' else plugin, folders)\n"
        "delegate._find = find\n",
        {"add.no-ipam"},
    ),
    "IPAM gets another environment": (
        _SKELETON + "delegate.os.environ['CNI_ARGS'] = 'A=1'\n", {"ipam.environment"},
    ),
    "IPAM gets its own part only": (
        _SKELETON + "right = delegate._send\n"
        "from labhelpers.cni.plugin.quick_json import dumps, loads\n"
        "def send(fd, data):\n    c = loads(data.decode()); c.pop('unknown', None); right(fd, dumps(c).encode())\n"
        "delegate._send = send\n",
        {"ipam.configuration"},
    ),
    "IPAM's words are lost": ("os.dup2(os.open(os.devnull, os.O_WRONLY), 2)\n", {"ipam.stderr"}),
    "IPAM is asked at ADD only": (
        _SKELETON + "right = delegate.Delegated.answer\n"
        "def init(self, request, plugin, command=''):\n    self.plugin = plugin\n"
        "if os.environ.get('CNI_COMMAND') != 'ADD':\n"
        "    delegate.Delegated.__init__ = init\n    delegate.Delegated.answer = lambda self: {}\n",
        {"ipam.del", "ipam.check", "ipam.status", "ipam.gc", "del.frees", "check.delegates",
         "status.delegates", "gc.frees"},
    ),
    "DEL does nothing": (
        _does_nothing("DEL"), {"del.removes", "del.frees", "del.netns-gone", "del.no-netns", "crowd.killed"},
    ),
    "DEL works once": (
        "mark = '/run/cni-trial/deleted-' + os.environ.get('CNI_CONTAINERID', '')\n"
        "if os.environ.get('CNI_COMMAND') == 'DEL':\n"
        "    if os.path.exists(mark): print('{\"code\": 100, \"msg\": \"gone\"}'); sys.exit(1)\n"
        "    os.makedirs('/run/cni-trial', exist_ok=True); open(mark, 'w').close()\n",
        {"del.twice"},
    ),
    "DEL needs the namespace": (
        "if os.environ.get('CNI_COMMAND') == 'DEL' and not os.path.exists(os.environ.get('CNI_NETNS', '')):\n"
        "    print('{\"code\": 100, \"msg\": \"gone\"}'); sys.exit(1)\n",
        {"del.netns-gone", "del.no-netns"},
    ),
    "DEL needs something to remove": (
        _WIRING + "from labhelpers.cni.plugin.skeleton import PluginError\n"
        "def unplug(request):\n"
        "    with wiring.node() as here:\n"
        "        if not wiring.has(here, wiring.node_end(request)): raise PluginError(100, 'gone')\n"
        "        wiring._unplug(here, request)\n"
        "wiring.unplug = unplug\n",
        {"del.never-added", "del.twice"},
    ),
    "DEL takes the others too": (
        _WIRING + "from labhelpers.linux import link\n"
        "def unplug(request):\n"
        "    with wiring.node() as here:\n"
        "        for one in link.look_at_all(here.socket):\n"
        "            if one.name.startswith('veth'): wiring._delete_if_there(here, one.name)\n"
        "wiring.unplug = unplug\n",
        {"del.spares-others"},
    ),
    "DEL takes the bridge too": (
        _WIRING + "right = wiring.unplug\n"
        "def unplug(request):\n"
        "    right(request)\n"
        "    with wiring.node() as here: wiring._delete_if_there(here, request.config['bridge'])\n"
        "wiring.unplug = unplug\n",
        {"del.spares-others"},
    ),
    "DEL takes the others out of the bridge": (
        _WIRING + "right = wiring.unplug\n"
        "def unplug(request):\n"
        "    right(request)\n"
        "    with wiring.node() as here:\n"
        "        for one in wiring.link.look_at_all(here.socket):\n"
        "            if wiring._owner(one.alias): os.system(f'ip link set {one.name} nomaster')\n"
        "wiring.unplug = unplug\n",
        {"del.spares-others"},
    ),
    "DEL takes the gateway's address": (
        _WIRING + "right = wiring.unplug\n"
        "def unplug(request):\n"
        "    right(request)\n"
        "    os.system(f\"ip address flush dev {request.config['bridge']}\")\n"
        "wiring.unplug = unplug\n",
        {"del.spares-others"},
    ),
    "DEL works on the node": (
        "if os.environ.get('CNI_COMMAND') == 'DEL' and not os.path.exists(os.environ.get('CNI_NETNS', '')):\n"
        "    os.system('ip link delete $CNI_IFNAME')\n",
        {"del.netns-gone", "del.no-netns"},
    ),
    "DEL takes the node's interface": (
        "if os.environ.get('CNI_COMMAND') == 'DEL': os.system('ip link delete eth0')\n", {"del.netns-gone"},
    ),
    "CHECK finds nothing": (
        _does_nothing("CHECK"),
        {"check.no-result", "check.address-gone", "check.route-gone", "check.interface-gone", "check.delegates"},
    ),
    "CHECK finds everything wrong": (
        "if os.environ.get('CNI_COMMAND') == 'CHECK': print('{\"code\": 100, \"msg\": \"no\"}'); sys.exit(1)\n",
        {"check.well"},
    ),
    "STATUS is always well": (_does_nothing("STATUS"), {"status.delegates", "ipam.status"}),
    "STATUS is never well": (
        "if os.environ.get('CNI_COMMAND') == 'STATUS': print('{\"code\": 50, \"msg\": \"no\"}'); sys.exit(1)\n",
        {"status.ready"},
    ),
    "GC does nothing": (_does_nothing("GC"), {"gc.frees", "gc.removes"}),
    "GC takes all": (
        _SKELETON + "skeleton.Request.valid_attachments = property(lambda self: set())\n"
        "os.environ['TRIAL_GC'] = 'all'\n",
        {"gc.spares"},
    ),
    "GC takes the other networks": (
        _WIRING + "def gc(request):\n"
        "    with wiring.node() as here:\n"
        "        for one in wiring.link.look_at_all(here.socket):\n"
        "            owner = wiring._owner(one.alias)\n"
        "            if owner and owner[1:] not in request.valid_attachments:\n"
        "                wiring._delete_if_there(here, one.name)\n"
        "wiring.gc = gc\n",
        {"gc.spares-networks"},
    ),
    "GC empties all books": (
        IPAM + "import shutil\n"
        "if os.environ.get('CNI_COMMAND') == 'GC': shutil.rmtree('/run/cni-trial')\n",
        {"gc.spares", "gc.spares-networks"},
    ),
    "the bridge is made if it is not there": (
        _WIRING + "from labhelpers.cni.plugin.skeleton import PluginError\n"
        "def ensure(here, request, name, mtu):\n"
        "    if os.system(f'ip link show {name} >/dev/null 2>&1'):\n"
        "        if os.system(f'ip link add {name} up type bridge'): raise PluginError(100, 'no bridge')\n"
        "    return bridge.link.look(here.changes, name).mac\n"
        "bridge._ensure = ensure\n",
        {"crowd.together"},
    ),
    "IPAM has no lock": (IPAM + _LOCKLESS + _SLOW, {"crowd.together", "crowd.last-address"}),
}  # fmt: skip
