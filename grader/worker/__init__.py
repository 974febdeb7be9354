"""Everything that runs beside a submission: processes, messages, limits, forbidden operators.

Submitted code runs in a process of its own, which knows nothing of the grader; arrays and
strict messages go in and come out. A *worker* imports torch once and forks a fresh process
for each *session*; within a session, modules stay imported and objects stay built::

    from grader.worker import CONVOLUTION, POOLING, Argument, Code, Rules, Worker, WorkerFailure
    from grader.worker import messages as m
    from grader.worker import pack

    code = Code({"mytorch": folder / "mytorch.py", "train": folder / "train.py"})
    rules = Rules(operators=(CONVOLUTION, POOLING))
    with Worker(threads=1) as worker, worker.session(code, rules=rules) as session:
        arrays = []
        args, kwargs = pack([Argument(x, requires_grad=True), weight], {"stride": 2}, arrays)
        arrays.append(upstream)  # the gradient of the output
        request = m.Call("mytorch", "MyFConv2D", args, kwargs, grad_outputs=[2], gradients=[0])
        try:
            reply = session.request(request, arrays, wall=5.0, reply_bytes=1 << 20)
        except WorkerFailure as failure:  # the session is over, all its processes are gone
            print(failure.verdict, failure.reason)  # timeout | killed | error | invalid
        else:
            match reply.message:
                case m.Result(outputs=[output]) if output.index is not None:
                    value = reply.arrays[output.index]  # torch tensor; judge type, shape, dtype first
                case m.Raised() as raised:
                    print(raised)  # "ForbiddenOperator: ... (mytorch.py:12: return F.conv2d(x, w))"
            print(reply.hits, session.output_tail())

An exception in submitted code is a reply (`Raised`); only a session that ended without an
answer raises `WorkerFailure`. After one, or to start from a clean state, open the next
session: a worker has one at a time, and opening ends the one before.

Training streams: `for reply in session.stream(m.Train(...), [images, labels, *evaluations],
wall=300, reply_bytes=...)` yields an `Epoch` with logits for each epoch, then `Trained`.
A submission that is a package is given with `Code(files, packages={"reference": path})`.

The source is scanned by `grader.worker.sources.scan(files, rules)`, and `with
forbidden(rules, folders) as hits:` forbids operators in the calling process.

Needs POSIX (fork, descriptors over sockets). What isolates sessions is chosen by `isolation`, and
docs/security.md says what it holds.
"""

from .code import Code
from .forbid import CONVOLUTION, FFT, POOLING, ForbiddenOperator, Rules, forbidden
from .isolation import Isolation, IsolationError
from .limits import Limits
from .session import Reply, Session, WorkerFailure
from .values import Argument, Handle, pack
from .worker import Worker, WorkerStartError

__all__ = [
    "CONVOLUTION",
    "FFT",
    "POOLING",
    "Argument",
    "Code",
    "ForbiddenOperator",
    "Handle",
    "Isolation",
    "IsolationError",
    "Limits",
    "Reply",
    "Rules",
    "Session",
    "Worker",
    "WorkerFailure",
    "WorkerStartError",
    "forbidden",
    "pack",
]
