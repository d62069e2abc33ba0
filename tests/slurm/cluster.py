"""A real SLURM on one machine: a controller and three virtual nodes that talk over loopback.

Needs root and the packages that ``envs/debian.sh slurm`` installs. Nodes ``cpu1`` and ``cpu2`` are
in the partitions ``cpu`` and ``urgent``, which preempts it; ``gpu1`` has two counted GPUs (copies
of /dev/null) and is in the partition ``gpu``. Every ended job is written to a file, so that tests
can ask where it ran.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

CONFIGURATION = Path("/etc/slurm")
"""Where SLURM looks by itself: job steps lose the variable that names another place."""
FOLDER = "lalbench-slurm-"
NAME = "lalbench"
NODES = {"cpu1": 17001, "cpu2": 17002, "gpu1": 17003}
GPUS = 2
PATIENCE = 60.0
"""Seconds in which the nodes have to be there."""

SLURM_CONF = """
ClusterName={name}
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# A requeued job waits for as long as a credential is valid, two minutes by default.
AuthInfo=socket={folder}/munge/socket,cred_expire=5
CryptoType=crypto/munge
SlurmctldPort=16817
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/log/slurmctld
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmdLogFile={folder}/log/slurmd-%n
SlurmdSpoolDir={folder}/spool/%n
# The nodes say that they have more memory than this machine.
SlurmdParameters=config_overrides
StateSaveLocation={folder}/state
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/ended
JobRequeue=1
# What no partition can run is refused at once instead of waiting for ever.
EnforcePartLimits=ALL
KillWait=20
# The plugin asks squeue, which forgets a job this many seconds after its end.
MinJobAge=300
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
GresTypes=gpu
NodeName=DEFAULT CPUs={cpus} RealMemory=16000
NodeName=cpu[1-2] NodeHostname={host} NodeAddr=127.0.0.1 Port=[17001-17002]
NodeName=gpu1 NodeHostname={host} NodeAddr=127.0.0.1 Port=17003 Gres=gpu:{gpus}
PartitionName=cpu Nodes=cpu[1-2] Default=YES MaxTime=UNLIMITED PriorityTier=1
PartitionName=urgent Nodes=cpu[1-2] MaxTime=UNLIMITED PriorityTier=2 PreemptMode=OFF
PartitionName=gpu Nodes=gpu1 MaxTime=UNLIMITED
"""

GRES_CONF = """
AutoDetect=off
NodeName=gpu1 Name=gpu File={folder}/gpu[0-1] Flags=nvidia_gpu_env
"""


@dataclass
class Cluster:
    """A SLURM that runs.

    Attributes:
        folder: of its configuration, state and logs.
        services: its programs.
    """

    folder: Path
    services: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> None:
        """Brings it up; returns when all nodes are idle.

        Raises:
            RuntimeError: a program ended, or the nodes did not come.
        """
        for name in ("log", "state", "munge", *(f"spool/{node}" for node in NODES)):
            (self.folder / name).mkdir(parents=True)
        # the socket must be reachable by all users, the key by none
        self.folder.chmod(0o755)
        self._configure()
        self._authenticate()
        self._serve("slurmctld", "-D")
        for node in NODES:
            self._serve("slurmd", "-D", "-N", node)
        self._wait_for_nodes()

    def stop(self) -> None:
        """Ends all jobs and programs and removes the configuration."""
        subprocess.run(["scancel", "--user=root"], capture_output=True, check=False, timeout=20)
        for service in reversed(self.services):
            service.terminate()
        for service in self.services:
            try:
                service.wait(20)
            except subprocess.TimeoutExpired:
                service.kill()
        for name in ("slurm.conf", "gres.conf"):
            (CONFIGURATION / name).unlink(missing_ok=True)
        _end_jobs()

    def ended(self) -> list[dict[str, str]]:
        """The jobs that have ended, one dictionary of SLURM's fields for each, in order of the end.

        A job that was requeued is there once for each of its starts.
        """
        path = self.folder / "ended"
        lines = path.read_text().splitlines() if path.exists() else []
        return [dict(word.split("=", 1) for word in line.split() if "=" in word) for line in lines]

    def log(self, name: str) -> str:
        """What a program has said."""
        path = self.folder / "log" / name
        return path.read_text(errors="replace") if path.exists() else ""

    def _configure(self) -> None:
        host = socket.gethostname().split(".")[0]
        values = {
            "name": NAME,
            "host": host,
            "folder": self.folder,
            "cpus": os.cpu_count(),
            "gpus": GPUS,
        }
        CONFIGURATION.mkdir(exist_ok=True)
        for number in range(GPUS):
            null = os.stat("/dev/null").st_rdev
            os.mknod(self.folder / f"gpu{number}", 0o20666, null)
        for name, text in (("slurm.conf", SLURM_CONF), ("gres.conf", GRES_CONF)):
            (self.folder / name).write_text(text.format(**values))
            (CONFIGURATION / name).symlink_to(self.folder / name)

    def _authenticate(self) -> None:
        munge = self.folder / "munge"
        key = munge / "key"
        key.touch(0o600)
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        munge.chmod(0o755)
        files = [f"--socket={munge}/socket", f"--key-file={key}", f"--pid-file={munge}/pid"]
        files += [f"--seed-file={munge}/seed", f"--log-file={self.folder}/log/munged"]
        self._serve("munged", "--foreground", "--force", *files)
        self._wait(lambda: (munge / "socket").exists(), "munged")

    def _serve(self, *command: str) -> None:
        with (self.folder / "log" / f"{'-'.join(command)[:40].replace('/', '_')}.out").open(
            "wb"
        ) as log:
            service = subprocess.Popen(
                [_program(command[0]) or command[0], *command[1:]],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.services.append(service)

    def _wait_for_nodes(self) -> None:
        command = ["sinfo", "--noheader", "--Node", "--partition=cpu,gpu", "--format=%T"]

        def idle() -> bool:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            return done.stdout.split().count("idle") == len(NODES)

        self._wait(idle, "slurmctld")

    def _wait(self, ready: Callable[[], bool], name: str) -> None:
        end = time.monotonic() + PATIENCE
        while not ready():
            gone = [service.args for service in self.services if service.poll() is not None]
            if gone or time.monotonic() > end:
                raise RuntimeError(f"SLURM did not come up, {gone} ended: {self.log(name)[-2000:]}")
            time.sleep(0.1)


class UnavailableError(Exception):
    """No SLURM can be brought up here; the message says why."""


def _program(name: str) -> str | None:
    """Daemons are in a folder that is not on everybody's path."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A SLURM that is there until the end of the block; others wait for its end.

    Raises:
        UnavailableError: not root, not installed, or the machine belongs to a cluster.
    """
    if os.geteuid() != 0:
        raise UnavailableError("only root can bring up a SLURM")
    if not all(map(_program, ("slurmctld", "slurmd", "sbatch", "munged"))):
        raise UnavailableError("SLURM is not installed: envs/debian.sh slurm")
    with (
        Path(tempfile.gettempdir(), f"{FOLDER}lock").open("w") as lock,
        tempfile.TemporaryDirectory(prefix=FOLDER) as folder,
    ):
        fcntl.flock(lock, fcntl.LOCK_EX)
        _clear()
        slurm = Cluster(Path(folder))
        try:
            slurm.start()
            yield slurm
        finally:
            slurm.stop()


def _end_jobs() -> None:
    """Ends what is left of jobs: without control groups, SLURM misses what has lost its parent."""
    mark = f"SLURM_CLUSTER_NAME={NAME}".encode()
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is another user's
            if mark in (place / "environ").read_bytes().split(b"\0"):
                os.kill(int(place.name), signal.SIGKILL)


def _clear() -> None:
    """Removes the configuration that tests left when they were killed, and no other one."""
    for name in ("slurm.conf", "gres.conf"):
        found = CONFIGURATION / name
        if found.is_symlink() and FOLDER in os.readlink(found):
            found.unlink()
        elif found.exists():
            raise UnavailableError(f"this machine has a SLURM of its own ({found})")
