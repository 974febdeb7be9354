"""Reading what a submission must not see. Each of them fails where nothing is found."""

from tests.hostile.attack import POOL, Attack, checks, pool


def _looks(name: str, tries: str, body: str, needs: str = "unshare", verdict: str = "error") -> Attack:
    """`body` raises unless it finds what it looks for; then the honest answer would come."""
    source = pool(body + "\nreturn honest(self, x)")
    return Attack(f"see-{name}", tries, source, checks(POOL, verdict), needs=needs)


ATTACKS = [
    _looks("tests", "reads the tests", "open('{PROJECT}/tests/conftest.py').read()"),
    _looks("reference", "reads the reference", "open('{PROJECT}/reference/nn.py').read()"),
    _looks("grader", "reads the grader", "open('{PROJECT}/grader/runner.py').read()"),
    _looks("git", "reads the repository's history", "import os\nos.listdir('{PROJECT}/.git')", "bwrap"),
    _looks("labels", "reads the labels of the test images",
           "import os\nassert any('label' in f for _, _, files in os.walk('{PROJECT}/data') for f in files)"),
    _looks("results", "reads the results of others", "import os\nassert os.listdir('{PROJECT}/results')"),
    _looks("neighbour", "reads another student's submission", "open('{NEIGHBOUR}').read()", "bwrap"),
    _looks("own-original", "reaches its own folder, beside which the others lie",
           "import os\nassert os.listdir(os.path.dirname('{NEIGHBOUR}'))", "bwrap"),
    _looks("beside-itself", "climbs up from its own file",
           "import os\nabove = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))\n"
           "assert [n for n in os.listdir(above) if n not in ('0', '1')]", "bwrap"),
    _looks("workers-code", "reads the worker's code, to find its weak places",
           "import os, sys\nassert any(os.path.isfile(os.path.join(p, 'zygote.py')) for p in ('/chalkbench', "
           "'{PROJECT}/grader/worker'))"),
    _looks("home", "reads keys in the user's home", "import os, pwd\nassert os.listdir(pwd.getpwuid(0).pw_dir)",
           "bwrap"),
    _looks("passwords", "reads the system's users", "open('/etc/shadow').read()", "bwrap"),
    _looks("proc-others", "reads other processes' environments and arguments",
           "import os\nothers = [p for p in os.listdir('/proc') if p.isdigit() and int(p) != os.getpid()]\n"
           "assert [open(f'/proc/{p}/cmdline').read() for p in others]"),
    _looks("proc-memory", "reads its parent's memory",
           "import os\nopen(f'/proc/{os.getppid()}/mem', 'rb').read(1)"),
    _looks("ptrace", "traces its parent",
           "import ctypes, os\nassert ctypes.CDLL(None).ptrace(16, os.getppid(), 0, 0) == 0"),
    _looks("environment", "reads secrets in the environment",
           "import os\nassert set(os.environ) & {'SECRET_OF_THE_GRADER', 'PATH', 'AWS_SECRET_ACCESS_KEY'}",
           "process"),
    _looks("descriptors", "finds open files of the grader's",
           "import os\nfds = '/proc/self/fd/'\n"
           "assert [fd for fd in os.listdir(fds) if 'tests' in os.path.realpath(fds + fd)]", "process"),
    _looks("internet", "asks the network", "import socket\nsocket.create_connection(('1.1.1.1', 53), timeout=1)"),
    _looks("localhost", "asks a service on this machine",
           "import socket\nsocket.create_connection(('127.0.0.1', {PORT}), timeout=1)"),
    _looks("names", "asks for a name", "import socket\nsocket.getaddrinfo('example.org', 80)"),
    _looks("pretrained", "downloads weights that others trained",
           "import torch\ntorch.hub.load_state_dict_from_url('https://example.org/w.pt')"),
    _looks("sockets-of-programs", "asks another program through its socket",
           "import socket\ns = socket.socket(socket.AF_UNIX)\ns.connect('/run/docker.sock')", "bwrap"),
    _looks("mount", "mounts what is hidden",
           "import ctypes\nassert ctypes.CDLL(None).mount(b'proc', b'/proc', b'proc', 0, None) == 0", "process"),
    _looks("user-namespace", "becomes root of a namespace of its own",
           "import ctypes\nassert ctypes.CDLL(None).unshare(0x10000000) == 0", "process"),
    _looks("leave-namespace", "enters another process's namespaces",
           "import ctypes, os\nfd = os.open('/proc/1/ns/mnt', 0)\nassert ctypes.CDLL(None).setns(fd, 0) == 0",
           "process"),
    _looks("devices", "reads the disk itself",
           "import os\nos.mknod('disk', 0o60600, os.makedev(254, 0))\nopen('disk', 'rb').read(1)", "process+user"),
    _looks("disks", "opens the machine's own disks",
           "import glob\nassert [open(d, 'rb') for kind in ('vd?', 'sd?', 'nvme?n?', 'loop?', 'mem') "
           "for d in glob.glob('/dev/' + kind)]", "process+user"),
    _looks("kernel-settings", "names a program that the kernel is to run at the next crash",
           "open('/proc/sys/kernel/core_pattern', 'r+')", "process+user"),
    _looks("become-root", "takes root's id",
           "import os\nos.setuid(0)\nopen('/proc/sys/kernel/hostname', 'w')", "bwrap"),
    _looks("shared-memory", "finds what another submission has left in shared memory",
           "import os\nassert os.listdir('/dev/shm')", "unshare"),
    _looks("leftovers", "finds what an earlier session of itself has left",
           "import os, tempfile\nassert [n for n in os.listdir(tempfile.gettempdir()) if n != 'jit']", "process"),
]  # fmt: skip
