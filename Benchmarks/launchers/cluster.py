"""A Slurm cluster of two nodes on this machine, in a folder of its own, without systemd."""

import os
import pwd
import secrets
import subprocess
import time

CONFIGURATION = """\
ClusterName=loopback
SlurmctldHost={host}(n1)
SlurmctldPort=6817
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
# A preempted job waits so many seconds before it is started again; 120 if not said.
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/affinity
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=bf_interval=2,sched_interval=2
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
KillWait=30
MpiDefault=none
ReturnToService=2
SwitchType=switch/none
NodeName=n1 NodeHostname={host} NodeAddr=n1 Port=17001 CPUs={cores} State=UNKNOWN
NodeName=n2 NodeHostname={host} NodeAddr=n2 Port=17002 CPUs={cores} State=UNKNOWN
PartitionName=low Nodes=n1,n2 Default=YES PriorityTier=1 State=UP
PartitionName=high Nodes=n1,n2 PriorityTier=2 State=UP
"""


class Cluster:
    """Both nodes have all cores of this machine: a job on each of them makes it busy twice over."""

    def __init__(self, folder):
        self.folder = folder
        self.daemons = []

    def start(self):
        user = pwd.getpwuid(os.getuid()).pw_name
        (self.folder / "state").mkdir(parents=True)
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o600)
        text = CONFIGURATION.format(
            host=os.uname().nodename, user=user, folder=self.folder, cores=os.cpu_count())
        (self.folder / "slurm.conf").write_text(text)
        os.environ["SLURM_CONF"] = str(self.folder / "slurm.conf")
        self.daemon(
            "munged", "--foreground", "--force", f"--key-file={key}", f"--socket={self.folder}/munge.socket",
            f"--pid-file={self.folder}/munged.pid", f"--seed-file={self.folder}/munged.seed",
            f"--log-file={self.folder}/munged.log")
        self.wait("munged", lambda: (self.folder / "munge.socket").exists())
        self.daemon("slurmctld", "-D", "-c")
        for node in ("n1", "n2"):
            self.daemon("slurmd", "-D", "-c", "-N", node)
        self.wait("Slurm's nodes", lambda: said("sinfo", "-h", "-N", "-p", "low", "-o", "%T").split() == ["idle"] * 2)

    def daemon(self, name, *options):
        with open(self.folder / f"{name}.out", "ab") as output:
            self.daemons.append(subprocess.Popen(
                [name, *options], stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True))

    def wait(self, name, is_ready, seconds=60):
        end = time.monotonic() + seconds
        while not is_ready():
            dead = [daemon.args[0] for daemon in self.daemons if daemon.poll() is not None]
            if dead or time.monotonic() > end:
                tails = [path.read_text(errors="replace")[-600:] for path in sorted(self.folder.glob("*.[lo][ou][gt]"))]
                raise SystemExit(f"{name}: not ready; ended: {dead}\n" + "\n".join(tails))
            time.sleep(0.2)

    def stop(self):
        said("scancel", "--signal=KILL", "--user", str(os.getuid()))
        for daemon in reversed(self.daemons):
            daemon.terminate()
        for daemon in self.daemons:
            try:
                daemon.wait(5)
            except subprocess.TimeoutExpired:
                daemon.kill()


def said(*command):
    """The program's output; empty if it fails."""
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


class Job:
    """A batch job; `script` is a shell command."""

    def __init__(self, script, output, *options):
        self.output_path = output
        self.id = said("sbatch", "--parsable", "--no-kill", "--output", str(output), "--open-mode=append", *options,
                       "--wrap", script)
        if not self.id:
            raise RuntimeError(f"sbatch refused {' '.join(options)}")

    def field(self, name):
        words = said("scontrol", "show", "job", "-o", self.id).split()
        return next((word.split("=", 1)[1] for word in words if word.startswith(name + "=")), "")

    @property
    def state(self):
        return self.field("JobState")

    @property
    def output(self):
        return self.output_path.read_text(errors="replace") if self.output_path.exists() else ""

    def end(self, limit):
        """The exit code, in the shell's way; None if it has not ended after `limit` seconds."""
        end = time.monotonic() + limit
        while self.state in ("PENDING", "RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED"):
            if time.monotonic() > end:
                said("scancel", "--signal=KILL", "--full", self.id)
                said("scancel", self.id)
                return None
            time.sleep(0.3)
        code, signal = map(int, self.field("ExitCode").split(":"))
        return code or (128 + signal if signal else 0)


def job_named(name):
    """The number of the running or waiting job of that name; empty if there is none."""
    return said("squeue", "-h", "-n", name, "-o", "%i")
