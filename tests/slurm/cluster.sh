#!/usr/bin/env bash
# A Slurm of one controller and two nodes on this machine, without systemd: cluster.sh install | start DIR | stop DIR
#
# What it writes goes to DIR, an empty folder: slurm.conf, logs, and bin/sacct, which answers from the controller's
# memory, since accounts would need a database. It says in one line what it cannot do, and exits with 1.
set -euo pipefail

die() {
    echo "$1" >&2
    exit 1
}

install_it() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || die "Slurm is not installed, and only root can, with apt-get"
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update && apt-get install -y --no-install-recommends slurm-wlm munge; } >/dev/null 2>&1 ||
        die "apt-get could not install slurm-wlm and munge"
}

start_munge() {
    if ! munge -n 2>/dev/null | unmunge >/dev/null 2>&1; then
        install -d -o munge -g munge -m 755 /run/munge
        runuser -u munge -- munged || die "munged does not start"
        echo /run/munge/munged.pid >>"$1/pidfiles"
    fi
}

configure() {
    local host
    host=$(hostname -s)
    cat >"$1/slurm.conf" <<END
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=16817
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# A job that is requeued waits for its credentials to expire
AuthInfo=cred_expire=10
StateSaveLocation=$1/state
SlurmdSpoolDir=$1/spool-%n
SlurmctldPidFile=$1/slurmctld.pid
SlurmdPidFile=$1/slurmd-%n.pid
SlurmctldLogFile=$1/slurmctld.log
SlurmdLogFile=$1/slurmd-%n.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
KillWait=5
NodeName=n1 NodeHostname=$host NodeAddr=127.0.0.1 Port=16821 CPUs=1 State=UNKNOWN
NodeName=n2 NodeHostname=$host NodeAddr=127.0.0.1 Port=16822 CPUs=1 State=UNKNOWN
PartitionName=test Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
END
    mkdir -p "$1/state" "$1/spool-n1" "$1/spool-n2" "$1/bin"
    cat >"$1/bin/sacct" <<'END'
#!/usr/bin/env bash
echo "JobID|State"
while [ $# -gt 0 ]; do
    if [ "$1" = -j ]; then
        scontrol -o show job "$2" 2>/dev/null | sed -nE \
            -e 's/^JobId=.* ArrayJobId=([0-9]+) ArrayTaskId=([0-9]+) .* JobState=([A-Z_]+) .*/\1_\2|\3/p;t' \
            -e 's/^JobId=.* ArrayJobId=([0-9]+) ArrayTaskId=(\S+) .* JobState=([A-Z_]+) .*/\1_[\2]|\3/p;t' \
            -e 's/^JobId=([0-9]+) .* JobState=([A-Z_]+) .*/\1|\2/p'
        shift
    fi
    shift
done
END
    chmod +x "$1/bin/sacct"
}

start() {
    command -v slurmctld slurmd munged >/dev/null || die "Slurm is not installed"
    [ "$(id -u)" = 0 ] || die "only root starts Slurm"
    start_munge "$1"
    configure "$1"
    export SLURM_CONF="$1/slurm.conf"
    slurmctld
    slurmd -N n1
    slurmd -N n2
    printf '%s\n' "$1/slurmctld.pid" "$1/slurmd-n1.pid" "$1/slurmd-n2.pid" >>"$1/pidfiles"
    for _ in $(seq 60); do
        [ "$(sinfo -h -N -o %t 2>/dev/null | sort -u)" = idle ] && return
        sleep 0.5
    done
    stop "$1"
    die "the nodes do not come up: see $1/slurmctld.log"
}

stop() {
    # The nodes before their controller, once their jobs are gone
    for _ in $(seq 60); do
        [ -z "$(SLURM_CONF="$1/slurm.conf" squeue -h 2>/dev/null)" ] && break
        sleep 0.5
    done
    tac "$1/pidfiles" | while read -r file; do
        [ -f "$file" ] && kill "$(cat "$file")" 2>/dev/null || true
    done
}

case "${1:-}" in
install) install_it ;;
start | stop) "$1" "$2" ;;
*) die "cluster.sh install | start DIR | stop DIR" ;;
esac
